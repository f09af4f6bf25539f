import type { Capture } from './capture';
import { DeviceInput } from './device-input.svelte';
import { type Facing, type Remembered, facingOf, isMirrored, nextDevice } from './devices';
import { AS_IT_COMES, type Lens, type LensSetting, PLAIN_LENS, lensConstraints, lensOf } from './lens';
import { type CameraChoice, type Quality, cameraConstraints, sizeConstraints } from './quality';
import type { Place } from './trouble';

/** The camera. */
export class Camera extends DeviceInput {
  override readonly name = 'camera';
  override readonly kind = 'video';
  quality = $state.raw<Quality>({ height: 720, bitrateBps: null });
  facing = $derived<Facing>(this.track === null ? 'unknown' : facingOf(this.track));
  /** Whether the person expects to see it as in a mirror. */
  mirrored = $derived(isMirrored(this.facing));
  canFlip = $derived(this.devices.length > 1);
  /** What the camera in use can do beside taking a picture. */
  lens = $derived<Lens>(this.track === null ? PLAIN_LENS : lensOf(this.track));
  #set = $state.raw<{ readonly track: MediaStreamTrack | null; readonly setting: LensSetting }>({
    track: null,
    setting: AS_IT_COMES,
  });
  /** How lens and lamp are set: another camera comes as it comes. */
  lensSetting = $derived<LensSetting>(this.#set.track === this.track ? this.#set.setting : AS_IT_COMES);

  constructor(place: Place, remembered: Remembered | null, quality: Quality, capture?: Capture | null) {
    super(place, remembered, capture);
    this.quality = quality;
  }

  override constraints(deviceId: string | null): MediaTrackConstraints {
    const choice: CameraChoice = deviceId === null ? { facingMode: 'user', exact: false } : { deviceId };
    return cameraConstraints(this.quality, choice);
  }

  /** From the front camera to the back one, or to the next of those that do not say where they look. */
  async flip(): Promise<void> {
    if (this.facing !== 'unknown') {
      const facingMode = this.facing === 'user' ? 'environment' : 'user';
      const before = this.deviceId;
      const outcome = await this.reopen(cameraConstraints(this.quality, { facingMode, exact: true }));
      if (outcome !== 'failed') {
        return;
      }
      if (this.trouble?.cause !== 'unfit') {
        return this.backTo(before, () => this.flip());
      }
    }
    const next = nextDevice(this.devices, this.deviceId);
    if (next !== null) {
      await this.choose(next.id);
    }
  }

  /** Another size, of the camera as it is open; one that cannot change is opened anew. */
  async setQuality(quality: Quality): Promise<void> {
    const resized = quality.height !== this.quality.height;
    this.quality = quality;
    const track = this.track;
    if (track === null || !resized) {
      return;
    }
    try {
      // By itself: where lens and lamp are among the constraints, Chromium sets nothing else, and says that all is done.
      await track.applyConstraints(sizeConstraints(quality));
    } catch {
      if (this.track === track) {
        await this.reopen(this.constraints(this.deviceId));
      }
      return;
    }
    // Constraints replace all of those before. A lens that cannot be set again stays as the browser left it.
    if (this.track === track && this.lensSetting !== AS_IT_COMES) {
      await this.#applyLens(track, this.lensSetting).catch(() => undefined);
    }
  }

  /** Sets lens and lamp of the camera in use, which may refuse: a lamp that is too hot, for example. */
  async setLens(change: Partial<LensSetting>): Promise<void> {
    const track = this.track;
    const before = this.#set;
    if (track === null) {
      return;
    }
    const setting = { ...this.lensSetting, ...change };
    const now = { track, setting };
    this.#set = now;
    try {
      await this.#applyLens(track, setting);
    } catch {
      if (this.#set === now) {
        this.#set = before;
      }
    }
  }

  /** With the size, which would be left to the browser otherwise. */
  #applyLens(track: MediaStreamTrack, setting: LensSetting): Promise<void> {
    return track.applyConstraints({ ...sizeConstraints(this.quality), ...lensConstraints(setting) });
  }
}
