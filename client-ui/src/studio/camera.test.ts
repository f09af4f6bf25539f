import { beforeEach, describe, expect, it } from 'vitest';
import { Camera } from './camera.svelte';
import type { Capture } from './capture';
import { DEFAULT_QUALITY } from './quality';

const place = { browser: 'chromium', secureAddress: 'https://a' } as const;

/** Two cameras with a lamp and a zoom each, in Chromium: where those are among the constraints, nothing else is looked at. */
class Phone {
  height: unknown = 720;
  readonly asked: MediaTrackConstraints[] = [];
  /** The cameras that are on. */
  readonly on = new Set<MediaStreamTrack>();
  /** Cameras that are asked for and do not open until {@link answer}, by their place in that order. */
  readonly opening: ((outcome: 'open' | 'busy' | 'gone') => void)[] = [];
  /** What was asked for of each camera that was to be opened. */
  readonly wanted: MediaTrackConstraints[] = [];
  refusing = false;
  slow = false;
  /** Whether its cameras say so. */
  looksAtPerson = false;

  track(deviceId: string): MediaStreamTrack {
    const track = {
      kind: 'video',
      label: this.looksAtPerson ? 'Front' : deviceId,
      stop: () => this.on.delete(track),
      getSettings: () => ({ deviceId }),
      getCapabilities: () => ({ torch: true, zoom: { min: 1, max: 4, step: 0.5 } }),
      applyConstraints: (constraints: MediaTrackConstraints) => {
        this.asked.push(constraints);
        this.height = constraints.advanced === undefined ? constraints.height : this.height;
        return this.refusing ? Promise.reject(new DOMException('too hot', 'NotReadableError')) : Promise.resolve();
      },
    } as unknown as MediaStreamTrack;
    this.on.add(track);
    return track;
  }

  get capture(): Capture {
    return {
      getUserMedia: async ({ video }: { video: MediaTrackConstraints }) => {
        this.wanted.push(video);
        const id = (video.deviceId as { exact?: string } | undefined)?.exact ?? 'a';
        const outcome = this.slow ? await new Promise((resolve) => this.opening.push(resolve)) : 'open';
        if (outcome !== 'open') {
          throw new DOMException('', outcome === 'busy' ? 'NotReadableError' : 'NotFoundError');
        }
        const track = this.track(id);
        return { getVideoTracks: () => [track] };
      },
      enumerateDevices: () =>
        Promise.resolve(
          ['a', 'b', 'c'].map((deviceId) => ({ kind: 'videoinput', deviceId, label: `Camera ${deviceId}` })),
        ),
    } as unknown as Capture;
  }

  /** Opens the camera that was asked for as the `nth`, or does not. */
  async answer(nth: number, outcome: 'open' | 'busy' | 'gone'): Promise<void> {
    this.opening[nth]?.(outcome);
    await settle();
  }
}

/** Lets everything that waits for nothing but promises happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await Promise.resolve();
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

  describe('which takes its time to open', () => {
    beforeEach(() => (phone.slow = true));

    it.each([
      ['chosen', () => camera.choose('b')],
      ['flipped', () => camera.flip()],
    ])('stays closed where it was released while it was %s', async (_, change) => {
      void change();
      camera.release();
      await phone.answer(0, 'open');
      expect([phone.opening.length, phone.on.size, camera.track]).toEqual([1, 0, null]);
    });

    it('stays closed where it was released while the front gave way to the back', async () => {
      phone.slow = false;
      phone.looksAtPerson = true;
      await camera.open();
      phone.slow = true;
      expect(camera.facing).toBe('user');
      void camera.flip();
      camera.release();
      await phone.answer(0, 'open');
      expect([phone.opening.length, phone.on.size]).toEqual([1, 0]);
    });

    it('is the one that was chosen last', async () => {
      void camera.choose('b');
      void camera.choose('c');
      await phone.answer(0, 'open');
      await phone.answer(1, 'open');
      expect([camera.deviceId, camera.remembered?.id, phone.opening.length, phone.on.size]).toEqual(['c', 'c', 2, 1]);
    });

    it('is the one before where the other one fails, and says why', async () => {
      void camera.choose('b');
      await phone.answer(0, 'busy');
      await phone.answer(1, 'open');
      expect([camera.deviceId, camera.trouble?.cause, phone.on.size]).toEqual(['a', 'busy', 1]);
    });

    it('is the one that failed where it is tried again', async () => {
      void camera.choose('b');
      await phone.answer(0, 'busy');
      await phone.answer(1, 'open');
      void camera.retry();
      await phone.answer(2, 'open');
      expect([camera.deviceId, camera.remembered?.id, camera.trouble]).toEqual(['b', 'b', null]);
    });

    it('is the back one where that failed and is tried again', async () => {
      phone.slow = false;
      phone.looksAtPerson = true;
      await camera.open();
      phone.slow = true;
      void camera.flip();
      await phone.answer(0, 'busy');
      await phone.answer(1, 'open');
      void camera.retry();
      await settle();
      expect(phone.wanted.at(-1)).toMatchObject({ facingMode: { exact: 'environment' } });
    });

    it('is the one before where that is the one that has failed since', async () => {
      void camera.choose('b');
      await phone.answer(0, 'busy');
      await phone.answer(1, 'open');
      camera.track?.onended?.(new Event('ended'));
      expect(camera.trouble?.cause).toBe('lost');
      void camera.retry();
      await phone.answer(2, 'open');
      expect(camera.deviceId).toBe('a');
    });
  });

  it('is not opened by one that is plugged in after it was released', async () => {
    phone.slow = true;
    void camera.open();
    await phone.answer(0, 'gone');
    expect(camera.trouble?.cause).toBe('missing');
    camera.release();
    await camera.devicesChanged();
    expect(phone.opening).toHaveLength(1);
  });
});
