import { beforeEach, describe, expect, it } from 'vitest';
import type { Capture, RecoveringTrack } from './capture';
import { Microphone } from './microphone.svelte';

const place = { browser: 'chromium', secureAddress: 'https://a' } as const;

/** A microphone of a browser that changes what it does to a voice, of one that says it did and did not, or of one that refuses. */
class Desk {
  readonly opened: MediaTrackConstraints[] = [];
  browser: 'able' | 'deaf' | 'refusing' = 'able';
  stopped = 0;

  track(constraints: MediaTrackConstraints) {
    let cancels = constraints.echoCancellation === true;
    return {
      kind: 'audio',
      label: 'Desk',
      stop: () => (this.stopped += 1),
      getSettings: () => ({ deviceId: 'm', echoCancellation: cancels }),
      applyConstraints: ({ echoCancellation }: MediaTrackConstraints) => {
        if (this.browser === 'refusing') {
          return Promise.reject(new DOMException('', 'OverconstrainedError'));
        }
        cancels = this.browser === 'able' ? echoCancellation === true : cancels;
        return Promise.resolve();
      },
    } as unknown as MediaStreamTrack;
  }

  get capture(): Capture {
    return {
      getUserMedia: ({ audio }: { audio: MediaTrackConstraints }) => {
        this.opened.push(audio);
        return Promise.resolve({ getAudioTracks: () => [this.track(audio)] });
      },
      enumerateDevices: () => Promise.resolve([{ kind: 'audioinput', deviceId: 'm', label: 'Desk' }]),
    } as unknown as Capture;
  }
}

describe('Microphone', () => {
  let desk: Desk;
  let microphone: Microphone;

  beforeEach(async () => {
    desk = new Desk();
    microphone = new Microphone(place, null, true, desk.capture);
    await microphone.open();
  });

  it('cleans a voice up by default', () => {
    expect(desk.opened).toEqual([{ echoCancellation: true, noiseSuppression: true, autoGainControl: true }]);
  });

  it('changes that while it is open', async () => {
    await microphone.setClean(false);
    expect(microphone.track?.getSettings().echoCancellation).toBe(false);
    expect([desk.opened.length, desk.stopped]).toEqual([1, 0]);
  });

  it.each(['deaf', 'refusing'] as const)('is opened anew where the browser is %s', async (browser) => {
    desk.browser = browser;
    await microphone.setClean(false);
    expect(desk.opened.at(-1)).toMatchObject({ deviceId: { exact: 'm' }, noiseSuppression: false });
    expect(desk.opened.length).toBe(2);
    expect(microphone.track?.getSettings().echoCancellation).toBe(false);
  });

  it('says that it is lost, and then that it is back, without being opened anew', async () => {
    const track = microphone.track as RecoveringTrack;
    let changes = 0;
    microphone.onchange = () => (changes += 1);
    track.onlost?.(true);
    expect(microphone.trouble?.headline).toBe('Your microphone is gone');
    expect(microphone.trouble?.ways).toEqual(['other', 'without']);
    expect([microphone.works, microphone.track]).toEqual([false, track]);
    await microphone.devicesChanged();
    expect(desk.opened.length).toBe(1);
    track.onlost?.(false);
    expect([microphone.works, microphone.trouble, changes]).toEqual([true, null, 2]);
  });

  it('that another one has taken the place of is not missed', async () => {
    const track = microphone.track as RecoveringTrack;
    const tell = track.onlost;
    await microphone.choose('m');
    tell?.(true);
    expect([microphone.works, microphone.trouble, track.onlost]).toEqual([true, null, null]);
  });

  it('remembers it for the next device', async () => {
    microphone.release();
    await microphone.setClean(false);
    await microphone.open();
    expect(desk.opened.at(-1)).toMatchObject({ echoCancellation: false });
  });
});
