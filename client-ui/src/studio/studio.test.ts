import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClientMessage } from '../protocol/bindings';
import type { StageLink } from '../session/link';
import type { Capture, RecoveringTrack } from './capture';
import { browserStudioEngine, useStudioEngine } from './engine';
import { FakeConnection } from './fake-connection';
import { CELLULAR_QUALITY, DEFAULT_QUALITY } from './quality';
import { Studio } from './studio.svelte';

function track(kind: 'audio' | 'video'): RecoveringTrack {
  return {
    kind,
    label: kind,
    stop: () => undefined,
    getSettings: () => ({ deviceId: kind }),
    getCapabilities: () => ({}),
    applyConstraints: () => Promise.resolve(),
  } as unknown as RecoveringTrack;
}

/** A phone with a camera and a microphone, in a Wi-Fi. */
function phone() {
  const present = { camera: true };
  const connection = Object.assign(new EventTarget(), { type: 'wifi' });
  const view = Object.assign(new EventTarget(), {
    navigator: { userAgent: '', connection },
    matchMedia: () => ({ matches: false }),
  });
  const watching = { now: 0 };
  const sending = new FakeConnection();
  const devices = new EventTarget();
  const capture = Object.assign(devices, {
    getUserMedia: ({ audio, video }: MediaStreamConstraints) =>
      video !== undefined && !present.camera
        ? Promise.reject(new DOMException('', 'NotFoundError'))
        : Promise.resolve({
            getAudioTracks: () => (audio === undefined ? [] : [track('audio')]),
            getVideoTracks: () => (video === undefined ? [] : [track('video')]),
          }),
    enumerateDevices: () =>
      Promise.resolve([
        { kind: 'audioinput', deviceId: 'audio', label: 'Phone' },
        ...(present.camera ? [{ kind: 'videoinput', deviceId: 'video', label: 'Front' }] : []),
      ]),
  });
  vi.stubGlobal('window', view);
  vi.stubGlobal('navigator', view.navigator);
  vi.stubGlobal('document', new EventTarget());
  vi.stubGlobal('location', { href: 'https://a/stream' });
  for (const name of ['addEventListener', 'removeEventListener'] as const) {
    vi.stubGlobal(name, view[name].bind(view));
  }
  useStudioEngine({
    ...browserStudioEngine,
    capture: capture as unknown as Capture,
    watchDevices: () => {
      watching.now += 1;
      return () => (watching.now -= 1);
    },
    createConnection: () => sending.rtc,
    sample: () => Promise.resolve(null),
  });
  return {
    present,
    devices,
    watching,
    sending,
    goTo(type: string): void {
      connection.type = type;
      connection.dispatchEvent(new Event('change'));
      vi.advanceTimersByTime(1_000);
    },
  };
}

/** A room, and what it was told. */
function room() {
  const told: ClientMessage[] = [];
  const link = {
    send: (message: ClientMessage) => told.push(message) > 0,
    listen: () => () => undefined,
    videoCodecsOnAir: () => Promise.resolve([]),
  } as StageLink;
  return { told, link };
}

beforeEach(() => vi.useFakeTimers());

afterEach(() => {
  useStudioEngine(browserStudioEngine);
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe('the studio', () => {
  it('says in the room that a lost microphone is silent, and that it is heard again', async () => {
    phone();
    const [studio, { told, link }] = [new Studio(), room()];
    await studio.prepare('camera');
    studio.publish(link, 'camera', 'sfu');
    const status = () => told.findLast(({ action }) => action === 'update_media_status');
    expect(status()).toMatchObject({ audio_enabled: true, video_enabled: true });
    (studio.microphone.track as RecoveringTrack).onlost?.(true);
    expect(status()).toMatchObject({ audio_enabled: false, video_enabled: true });
    expect(studio.problems.map(({ about }) => about)).toEqual(['microphone']);
    (studio.microphone.track as RecoveringTrack).onlost?.(false);
    expect(status()).toMatchObject({ audio_enabled: true, video_enabled: true });
    expect(studio.problems).toEqual([]);
    studio.close();
  });

  it('has devices looked for while somebody chooses among them, or one is missing', async () => {
    const { present, devices, watching } = phone();
    present.camera = false;
    const studio = new Studio();
    await studio.prepare('camera');
    expect(studio.camera.trouble?.cause).toBe('missing');
    expect(watching.now).toBe(1);
    present.camera = true;
    devices.dispatchEvent(new Event('devicechange'));
    await vi.waitFor(() => expect(studio.camera.track).not.toBeNull());
    expect(watching.now).toBe(0);
    const ends = [studio.followDevices(), studio.followDevices()];
    expect(watching.now).toBe(1);
    ends.forEach((end) => end());
    expect(watching.now).toBe(0);
    studio.followDevices();
    studio.close();
    expect(watching.now).toBe(0);
  });

  it('fits the picture to the network before it goes on air, and looks for another way while it is', async () => {
    const { goTo, sending } = phone();
    const [studio, { link }] = [new Studio(), room()];
    await studio.prepare('camera');
    expect(studio.camera.quality).toEqual(DEFAULT_QUALITY);
    goTo('cellular');
    expect(studio.camera.quality).toEqual(CELLULAR_QUALITY);
    studio.publish(link, 'camera', 'sfu');
    sending.become('connected');
    goTo('wifi');
    expect(sending.restarts).toBe(1);
    expect(studio.camera.quality).toEqual(CELLULAR_QUALITY);
    studio.unpublish();
    await studio.prepare('camera');
    expect(studio.camera.quality).toEqual(DEFAULT_QUALITY);
    studio.close();
  });

  it('leaves the picture as the person chose it on any network', async () => {
    const { goTo } = phone();
    const studio = new Studio();
    await studio.prepare('camera');
    await studio.setQuality({ height: 1080, bitrateBps: null });
    goTo('cellular');
    expect(studio.camera.quality.height).toBe(1080);
    studio.close();
  });
});
