import { beforeEach, describe, expect, it } from 'vitest';
import { Camera } from './camera.svelte';
import type { Capture } from './capture';
import { DEFAULT_QUALITY } from './quality';

const place = { browser: 'chromium', secureAddress: 'https://a' } as const;

/** Two cameras with a lamp and a zoom each, in Chromium: where those are among the constraints, nothing else is looked at. */
class Phone {
  height: unknown = 720;
  readonly asked: MediaTrackConstraints[] = [];
  refusing = false;

  track(deviceId: string) {
    return {
      kind: 'video',
      label: deviceId,
      stop: () => undefined,
      getSettings: () => ({ deviceId }),
      getCapabilities: () => ({ torch: true, zoom: { min: 1, max: 4, step: 0.5 } }),
      applyConstraints: (constraints: MediaTrackConstraints) => {
        this.asked.push(constraints);
        this.height = constraints.advanced === undefined ? constraints.height : this.height;
        return this.refusing ? Promise.reject(new DOMException('too hot', 'NotReadableError')) : Promise.resolve();
      },
    } as unknown as MediaStreamTrack;
  }

  get capture(): Capture {
    return {
      getUserMedia: ({ video }: { video: MediaTrackConstraints }) => {
        const id = (video.deviceId as { exact?: string } | undefined)?.exact ?? 'a';
        return Promise.resolve({ getVideoTracks: () => [this.track(id)] });
      },
      enumerateDevices: () =>
        Promise.resolve(['a', 'b'].map((deviceId) => ({ kind: 'videoinput', deviceId, label: `Camera ${deviceId}` }))),
    } as unknown as Capture;
  }
}

describe('Camera', () => {
  let phone: Phone;
  let camera: Camera;

  beforeEach(async () => {
    phone = new Phone();
    camera = new Camera(place, null, DEFAULT_QUALITY, phone.capture);
    await camera.list();
    await camera.open();
  });

  it('sets lamp and zoom together with the size, which constraints would replace', async () => {
    expect(camera.lens).toEqual({ torch: true, zoom: { min: 1, max: 4, step: 0.5 } });
    await camera.setLens({ torch: true });
    await camera.setLens({ zoom: 2 });
    expect(phone.asked.at(-1)).toMatchObject({ height: { ideal: 720 }, advanced: [{ torch: true, zoom: 2 }] });
  });

  it('changes its size while the lamp is on, and leaves it on', async () => {
    await camera.setLens({ torch: true });
    await camera.setQuality({ height: 360, bitrateBps: null });
    expect(phone.height).toEqual({ ideal: 360 });
    expect(phone.asked.at(-1)).toMatchObject({ height: { ideal: 360 }, advanced: [{ torch: true }] });
  });

  it('changes its size alone where lamp and zoom are as they come', async () => {
    await camera.setQuality({ height: 360, bitrateBps: null });
    expect(phone.asked).toEqual([{ width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 30 } }]);
  });

  it('shows a lamp that was refused as off', async () => {
    phone.refusing = true;
    await camera.setLens({ torch: true });
    expect(camera.lensSetting.torch).toBeNull();
  });

  it('takes another camera as it comes', async () => {
    await camera.setLens({ torch: true, zoom: 3 });
    await camera.flip();
    expect(camera.deviceId).toBe('b');
    expect(camera.lensSetting).toEqual({ torch: null, zoom: null });
  });
});
