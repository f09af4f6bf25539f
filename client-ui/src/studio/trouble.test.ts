import { describe, expect, it } from 'vitest';
import {
  Explained,
  NoMediaDevices,
  type Place,
  causeOf,
  deviceTrouble,
  openingTrouble,
  problemsOf,
  screenTrouble,
} from './trouble';
import { browserOf, permissionSteps } from './browser';

const place: Place = { browser: 'chromium', secureAddress: 'https://stage.example/stream' };

describe('causeOf', () => {
  it.each([
    [new DOMException('Permission denied', 'NotAllowedError'), 'refused'],
    [new DOMException('Permission denied by system', 'NotAllowedError'), 'system-refused'],
    [new DOMException('', 'SecurityError'), 'refused'],
    [new DOMException('Could not start video source', 'NotReadableError'), 'busy'],
    [new DOMException('Starting videoinput failed', 'AbortError'), 'busy'],
    [new DOMException('', 'NotFoundError'), 'missing'],
    [{ name: 'DevicesNotFoundError' }, 'missing'],
    [new DOMException('', 'OverconstrainedError'), 'unfit'],
    [new NoMediaDevices(false), 'insecure'],
    [new NoMediaDevices(true), 'unsupported'],
    [new TypeError('x'), 'unknown'],
    [null, 'unknown'],
  ])('%s', (error, cause) => {
    expect(causeOf(error)).toBe(cause);
  });
});

describe('an exception that explains itself', () => {
  const failed = new Explained("'Desk camera' failed: the cable is broken", 'UnknownError');

  it('is shown in its own words', () => {
    const { headline, explanation, ways } = openingTrouble(failed, 'camera', place);
    expect(headline).toBe('Your camera did not start');
    expect(explanation).toBe("'Desk camera' failed: the cable is broken.");
    expect(ways).toContain('other');
    expect(screenTrouble(failed)?.explanation).toBe("'Desk camera' failed: the cable is broken.");
  });

  it('does not speak of a page that has no say in it', () => {
    const refused = new Explained('allow this program to use the camera', 'NotAllowedError');
    expect(openingTrouble(refused, 'camera', place).headline).toBe('Your camera is not allowed');
  });

  it('is not needed where nothing is plugged in', () => {
    const none = new Explained('no camera was found: publish the test pattern with --pattern', 'NotFoundError');
    expect(openingTrouble(none, 'camera', place)).toEqual(missing('camera'));
  });
});

const missing = (device: 'camera' | 'microphone') => deviceTrouble('missing', device, place);

describe('deviceTrouble', () => {
  const causes = [
    'insecure',
    'unsupported',
    'refused',
    'system-refused',
    'busy',
    'missing',
    'unfit',
    'lost',
    'unknown',
  ] as const;

  it.each(['camera', 'microphone'] as const)('has words of its own for each cause, about the %s', (device) => {
    const troubles = causes.map((cause) => deviceTrouble(cause, device, place));
    expect(new Set(troubles.map(({ headline }) => headline)).size).toBe(causes.length);
    for (const { headline, explanation } of troubles) {
      expect(headline).toContain(device);
      expect(explanation).toMatch(/[.:]$/);
    }
  });

  it.each(causes.filter((cause) => cause !== 'unsupported'))('has a way on from "%s"', (cause) => {
    expect(deviceTrouble(cause, 'camera', place).ways.length).toBeGreaterThan(0);
  });

  it('offers a screen in place of a camera, and of nothing else', () => {
    for (const cause of ['refused', 'missing', 'busy', 'lost'] as const) {
      expect(deviceTrouble(cause, 'camera', place).ways, cause).toContain('screen');
      expect(deviceTrouble(cause, 'microphone', place).ways, cause).not.toContain('screen');
    }
    expect(problemsOf(missing('camera'), missing('microphone'), place)[0]?.trouble.ways).toContain('screen');
    expect(deviceTrouble('insecure', 'camera', place).ways).not.toContain('screen');
  });

  it('names what to press, in each browser', () => {
    const steps = (['chromium', 'firefox', 'firefox-phone', 'safari', 'safari-phone'] as const).map((browser) =>
      permissionSteps(browser, 'camera'),
    );
    expect(new Set(steps).size).toBe(steps.length);
    expect(deviceTrouble('refused', 'camera', place).explanation).toContain(permissionSteps('chromium', 'camera'));
  });
});

describe('problemsOf', () => {
  it('says once what is the same for both', () => {
    const [camera, microphone] = [
      deviceTrouble('refused', 'camera', place),
      deviceTrouble('refused', 'microphone', place),
    ];
    expect(problemsOf(camera, microphone, place)).toMatchObject([
      {
        about: 'both',
        trouble: { headline: 'Your camera and microphone are not allowed on this page', ways: ['again', 'screen'] },
      },
    ]);
  });

  it('keeps apart what is not', () => {
    const busy = [deviceTrouble('busy', 'camera', place), deviceTrouble('busy', 'microphone', place)] as const;
    expect(problemsOf(...busy, place).map(({ about }) => about)).toEqual(['camera', 'microphone']);
    expect(problemsOf(busy[0], null, place).map(({ about }) => about)).toEqual(['camera']);
    expect(problemsOf(null, null, place)).toEqual([]);
  });
});

describe('screenTrouble', () => {
  it('has nothing to say to somebody who closed the choice', () => {
    expect(screenTrouble(new DOMException('Permission denied by user', 'NotAllowedError'))).toBeNull();
    expect(screenTrouble(new DOMException('Permission denied by system', 'NotAllowedError'))?.cause).toBe(
      'system-refused',
    );
  });
});

describe('browserOf', () => {
  it.each([
    ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36', 'chromium'],
    ['Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/156.0 Mobile Safari/537.36', 'android'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0', 'firefox'],
    ['Mozilla/5.0 (Android 16; Mobile; rv:153.0) Gecko/153.0 Firefox/153.0', 'firefox-phone'],
    ['Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/19.0 Safari/605.1.15', 'safari'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1', 'safari-phone'],
  ])('%s', (userAgent, browser) => {
    expect(browserOf(userAgent)).toBe(browser);
  });
});
