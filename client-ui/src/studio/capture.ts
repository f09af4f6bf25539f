import { NoMediaDevices } from './trouble';

/** The part of `navigator.mediaDevices` that is needed. */
export type Capture = Pick<
  MediaDevices,
  'getUserMedia' | 'getDisplayMedia' | 'enumerateDevices' | 'addEventListener' | 'removeEventListener'
>;

/**
 * A track whose device can be lost and come back to it, as those of the app's can: the app itself tries to have it back. A
 * browser's track ends with its device.
 */
export interface RecoveringTrack extends MediaStreamTrack {
  /** Hears that the device is lost, or that it is back. */
  onlost?: ((lost: boolean) => void) | null;
}

/** A track, or why there is none. */
export type Opened =
  { readonly track: MediaStreamTrack; readonly error: null } | { readonly track: null; readonly error: unknown };

/** This browser's devices; `null` in a page that may not know of any. */
export function browserCapture(): Capture | null {
  // Typed as always there; a page without a secure context has none (W3C Media Capture and Streams §9.2).
  return (navigator as Partial<Navigator>).mediaDevices ?? null;
}

/** Opens one device. */
export async function openOne(
  capture: Capture | null,
  kind: 'audio' | 'video',
  constraints: MediaTrackConstraints,
): Promise<Opened> {
  try {
    const stream = await need(capture).getUserMedia({ [kind]: constraints });
    return opened(stream, kind);
  } catch (error) {
    return { track: null, error };
  }
}

/**
 * Opens microphone and camera with one question to the person. Where that fails, each is asked for by itself: one error
 * for two devices does not say which of them it is about.
 *
 * @param permissionOf - what the browser already knows of the person's mind; a refusal is not asked again
 */
export async function openBoth(
  capture: Capture | null,
  audio: MediaTrackConstraints,
  video: MediaTrackConstraints,
  permissionOf: (device: 'microphone' | 'camera') => Promise<PermissionState | null>,
): Promise<{ microphone: Opened; camera: Opened }> {
  try {
    const stream = await need(capture).getUserMedia({ audio, video });
    return { microphone: opened(stream, 'audio'), camera: opened(stream, 'video') };
  } catch (error) {
    const failed: Opened = { track: null, error };
    const refused = error instanceof Error && error.name === 'NotAllowedError';
    const again = async (device: 'microphone' | 'camera') =>
      !(error instanceof NoMediaDevices) && (!refused || (await permissionOf(device)) === 'granted');
    // One after the other: some phones cannot open two devices at the same moment.
    const microphone = (await again('microphone')) ? await openOne(capture, 'audio', audio) : failed;
    const camera = (await again('camera')) ? await openOne(capture, 'video', video) : failed;
    return { microphone, camera };
  }
}

/** What the browser already knows of the person's mind; `null` where it does not tell. */
export async function permissionOf(device: 'microphone' | 'camera'): Promise<PermissionStatus | null> {
  try {
    // Firefox knew neither name for long, and threw.
    return await navigator.permissions.query({ name: device });
  } catch {
    return null;
  }
}

function need(capture: Capture | null): Capture {
  if (capture === null) {
    throw new NoMediaDevices(isSecureContext);
  }
  return capture;
}

function opened(stream: MediaStream, kind: 'audio' | 'video'): Opened {
  const [track] = kind === 'audio' ? stream.getAudioTracks() : stream.getVideoTracks();
  return track === undefined ? { track: null, error: new DOMException('', 'NotFoundError') } : { track, error: null };
}
