import { DeviceInput } from './device-input.svelte';
import { microphoneConstraints } from './quality';

/** The microphone. */
export class Microphone extends DeviceInput {
  override readonly name = 'microphone';
  override readonly kind = 'audio';

  override constraints(deviceId: string | null): MediaTrackConstraints {
    return microphoneConstraints(deviceId);
  }
}
