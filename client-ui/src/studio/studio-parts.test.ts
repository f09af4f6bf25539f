import { describe, expect, it, vi } from 'vitest';
import { fitted, isTaken } from './background';
import { fallTo, levelWords, loudness } from './level';
import { NO_PREFERENCES, parsePreferences } from './preferences';
import { resumptionOf } from './return';
import { sourceMap } from './sources';
import { inStereo } from './stereo';
import { AwakeScreen } from './wake-lock';

describe('sourceMap', () => {
  it('names sections that have a place in the offer', () => {
    const sections = new Map([
      ['camera', { mid: '1' }],
      ['microphone', { mid: '0' }],
      ['screen', { mid: null }],
    ] as const);
    expect(sourceMap(sections)).toEqual({ 0: 'microphone', 1: 'camera' });
  });
});

describe('resumptionOf', () => {
  const alive = { connection: 'connected', wasConnected: true, offered: false, onAir: true } as const;

  it.each([
    [{}, 'keep'],
    [{ offered: true }, 'resend'],
    [{ connection: 'disconnected' }, 'restart'],
    [{ connection: 'failed' }, 'restart'],
    [{ connection: 'failed', offered: true }, 'resend'],
    [{ connection: null }, 'renew'],
    [{ connection: 'connecting', wasConnected: false }, 'renew'],
    [{ onAir: false }, 'renew'],
    [{ onAir: false, offered: true }, 'renew'],
  ] as const)('%o', (found, resumption) => {
    expect(resumptionOf({ ...alive, ...found })).toBe(resumption);
  });
});

describe('inStereo', () => {
  const section = (mid: string, format: string) =>
    `m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:${mid}\r\na=rtpmap:111 opus/48000/2\r\n${format}a=recvonly\r\n`;
  const line = (parameters: string) => `a=fmtp:111 ${parameters}\r\n`;

  it.each([
    ['minptime=10;useinbandfec=1', 'minptime=10;useinbandfec=1;stereo=1'],
    ['minptime=10;stereo=0', 'minptime=10;stereo=1'],
    ['stereo=1;minptime=10', 'stereo=1;minptime=10'],
    ['sprop-stereo=1', 'sprop-stereo=1;stereo=1'],
  ])('%s', (before, after) => {
    const sdp = `v=0\r\n${section('0', line(before))}${section('2', line(before))}`;
    const expected = `v=0\r\n${section('0', line(before))}${section('2', line(after))}`;
    expect(inStereo(sdp, new Set(['2']))).toBe(expected);
  });

  it('adds the line where there is none, and leaves pictures alone', () => {
    expect(inStereo(section('2', ''), new Set(['2']))).toBe(section('2', line('stereo=1')));
    const video = 'm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\na=rtpmap:96 VP8/90000\r\n';
    expect(inStereo(video, new Set(['2']))).toBe(video);
  });
});

describe('loudness', () => {
  const tone = (amplitude: number) => Float32Array.from({ length: 1024 }, (_, n) => amplitude * Math.sin(n / 4));

  it('goes from silence to full scale, evenly in decibels', () => {
    expect(loudness(new Float32Array(1024))).toBe(0);
    expect(loudness(new Float32Array(0))).toBe(0);
    expect(loudness(Float32Array.from({ length: 64 }, () => 1))).toBe(1);
    const [quiet, middle, loud] = [0.01, 0.1, 1].map((amplitude) => loudness(tone(amplitude)));
    expect((middle ?? 0) - (quiet ?? 0)).toBeCloseTo(20 / 60, 2);
    expect((loud ?? 0) - (middle ?? 0)).toBeCloseTo(20 / 60, 2);
  });

  it('rises at once and falls slowly', () => {
    expect(fallTo(0.2, 0.9)).toBe(0.9);
    expect(fallTo(0.9, 0)).toBeGreaterThan(0.7);
    expect([0, 0.3, 0.7, 1].map(levelWords)).toEqual(['silent', 'quiet', 'good', 'loud']);
  });
});

describe('preferences', () => {
  it('are read as far as they make sense', () => {
    expect(parsePreferences(null)).toEqual(NO_PREFERENCES);
    expect(parsePreferences('[')).toEqual(NO_PREFERENCES);
    expect(parsePreferences('null')).toEqual(NO_PREFERENCES);
    expect(parsePreferences('{"camera":7,"quality":{"height":4000,"bitrateBps":1}}')).toEqual(NO_PREFERENCES);
    const chosen = {
      camera: { id: 'c', name: 'Webcam' },
      microphone: null,
      quality: { height: 1080, bitrateBps: 5_000_000 },
      mirror: false,
      cleanVoice: false,
    };
    expect(parsePreferences(JSON.stringify(chosen))).toEqual(chosen);
  });
});

describe('the background picture', () => {
  it('is made to fit, and never larger', () => {
    expect(fitted(4000, 3000, 1920)).toEqual({ width: 1920, height: 1440 });
    expect(fitted(800, 600, 1920)).toEqual({ width: 800, height: 600 });
    expect(fitted(10_000, 1, 1920)).toEqual({ width: 1920, height: 1 });
  });

  it('is taken as it is where the server takes it', () => {
    expect(isTaken({ type: 'image/webp', size: 2 * 1024 * 1024 })).toBe(true);
    expect(isTaken({ type: 'image/webp', size: 2 * 1024 * 1024 + 1 })).toBe(false);
    expect(isTaken({ type: 'image/gif', size: 1 })).toBe(false);
  });
});

describe('AwakeScreen', () => {
  function world() {
    const held: { released: boolean; release: () => Promise<void> }[] = [];
    const lock = {
      request: () => {
        const sentinel = {
          released: false,
          release: () => {
            sentinel.released = true;
            return Promise.resolve();
          },
        };
        held.push(sentinel);
        return Promise.resolve(sentinel as unknown as WakeLockSentinel);
      },
    } as unknown as WakeLock;
    const page = Object.assign(new EventTarget(), { visibilityState: 'visible' as DocumentVisibilityState });
    return { held, page, screen: new AwakeScreen(lock, page as unknown as Document) };
  }

  it('is held again when the page comes back, and let go at the end', async () => {
    const { held, page, screen } = world();
    screen.hold();
    screen.hold();
    await vi.waitFor(() => expect(held).toHaveLength(1));
    page.visibilityState = 'hidden';
    await held[0]?.release();
    page.dispatchEvent(new Event('visibilitychange'));
    page.visibilityState = 'visible';
    page.dispatchEvent(new Event('visibilitychange'));
    await vi.waitFor(() => expect(held).toHaveLength(2));
    screen.release();
    await vi.waitFor(() => expect(held.every(({ released }) => released)).toBe(true));
    page.dispatchEvent(new Event('visibilitychange'));
    expect(held).toHaveLength(2);
  });

  it('is let go where the answer comes too late', async () => {
    const { held, screen } = world();
    screen.hold();
    screen.release();
    await vi.waitFor(() => expect(held.map(({ released }) => released)).toEqual([true]));
  });

  it('does nothing in a browser that cannot', () => {
    const { page } = world();
    expect(() => new AwakeScreen(null, page as unknown as Document).hold()).not.toThrow();
  });
});
