import type { Capture } from './capture';
import { DeviceInput } from './device-input.svelte';
import type { Remembered } from './devices';
import { microphoneConstraints, voiceConstraints } from './quality';
import type { Place } from './trouble';

/** The microphone. */
export class Microphone extends DeviceInput {
  override readonly name = 'microphone';
  override readonly kind = 'audio';
  /** Whether echo, noise and uneven loudness are taken out of it. */
  clean = $state(true);

  constructor(place: Place, remembered: Remembered | null, clean: boolean, capture?: Capture | null) {
    super(place, remembered, capture);
    this.clean = clean;
  }

  override constraints(deviceId: string | null): MediaTrackConstraints {
    return microphoneConstraints(deviceId, this.clean);
  }

  /**
   * Takes echo, noise and uneven loudness out of it, or leaves it as it is. Where the browser cannot change that while the
   * device is open, it is opened anew.
   */
  async setClean(clean: boolean): Promise<void> {
    const track = this.track;
    this.clean = clean;
    if (track === null) {
      return;
    }
    const changed = await track.applyConstraints(voiceConstraints(clean)).then(
      () => (track.getSettings().echoCancellation ?? clean) === clean,
      () => false,
    );
    if (!changed && this.track === track && this.clean === clean) {
      await this.reopen(this.constraints(this.deviceId));
    }
  }
}
