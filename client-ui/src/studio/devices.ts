/** A device that can be chosen. */
export interface NamedDevice {
  readonly id: string;
  readonly name: string;
}

type DeviceInfo = Pick<MediaDeviceInfo, 'kind' | 'deviceId' | 'label'>;

/**
 * Chromium lists the system's choices as devices of their own. `default` is what it uses unasked, and follows the system;
 * the other one is for telephones.
 */
const FOR_TELEPHONES = 'communications';

/** What browsers add to a device's name: the USB ids of its maker and model. */
const USB_IDS = / \([0-9a-f]{4}:[0-9a-f]{4}\)$/i;

/** Words of systems and makers for a camera that looks away from the person. */
const LOOKS_AWAY = /\b(back|rear|environment|world|outward)\b/i;

/** The same for one that looks at the person. */
const LOOKS_AT_PERSON = /\b(front|user|selfie|facetime)\b/i;

/** What a device without a name is called. */
const WORDS: Record<MediaDeviceKind, string> = {
  videoinput: 'Camera',
  audioinput: 'Microphone',
  audiooutput: 'Loudspeaker',
};

/**
 * The devices of one kind, with names. Before the permission is given, browsers keep the ids empty, and there is nothing
 * to choose from.
 */
export function namedDevices(devices: readonly DeviceInfo[], kind: MediaDeviceKind): NamedDevice[] {
  const word = WORDS[kind];
  const seen = new Set<string>();
  return devices
    .filter((device) => device.kind === kind && device.deviceId !== '' && device.deviceId !== FOR_TELEPHONES)
    .filter((device) => !seen.has(device.deviceId) && seen.add(device.deviceId))
    .map((device, index) => ({
      id: device.deviceId,
      name: device.label.replace(USB_IDS, '') || `${word} ${index + 1}`,
    }));
}

/** What a person chose before: browsers give a device another id when their data is cleared, but not another name. */
export interface Remembered {
  readonly id: string;
  readonly name: string;
}

/** The remembered device among those that are here now; `null` where it is not. */
export function recalled(devices: readonly NamedDevice[], remembered: Remembered | null): NamedDevice | null {
  if (remembered === null) {
    return null;
  }
  return (
    devices.find((device) => device.id === remembered.id) ??
    devices.find((device) => remembered.name !== '' && device.name === remembered.name) ??
    null
  );
}

/** The device after `id` in the list, from the start again after the last; `null` where there is no other. */
export function nextDevice(devices: readonly NamedDevice[], id: string | null): NamedDevice | null {
  const next = devices[(devices.findIndex((device) => device.id === id) + 1) % devices.length];
  return next === undefined || next.id === id ? null : next;
}

/** Which way a camera looks. */
export type Facing = 'user' | 'environment' | 'unknown';

/** Reads it from the track's settings, or else from the camera's name, as far as one of them tells. */
export function facingOf(track: Pick<MediaStreamTrack, 'getSettings' | 'label'>): Facing {
  const { facingMode } = track.getSettings();
  if (facingMode === 'user' || facingMode === 'environment') {
    return facingMode;
  }
  if (LOOKS_AWAY.test(track.label)) {
    return 'environment';
  }
  return LOOKS_AT_PERSON.test(track.label) ? 'user' : 'unknown';
}

/**
 * Whether a person expects to see it as in a mirror: a camera that looks at them, which one that does not tell (a
 * computer's) does as well.
 */
export function isMirrored(facing: Facing): boolean {
  return facing !== 'environment';
}
