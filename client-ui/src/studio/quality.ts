/** Sizes of the picture that can be chosen, by its height in pixels. */
export const HEIGHTS = [360, 480, 720, 1080] as const;
export type Height = (typeof HEIGHTS)[number];

/** Bitrates that can be chosen, in bits per second. */
export const BITRATES_BPS = [500_000, 1_000_000, 2_500_000, 5_000_000, 8_000_000] as const;

/** How good the camera's picture is to be. */
export interface Quality {
  readonly height: Height;
  /** Of all layers together, in bits per second; `null` leaves it to the size. */
  readonly bitrateBps: number | null;
}

/** 720p is what a household's upstream carries and a phone encodes three times over without getting hot. */
export const DEFAULT_QUALITY: Quality = { height: 720, bitrateBps: null };

/** Bits per second at 30 frames per second that show no blocks in VP8 and H.264 where people talk and move. */
const BITRATE_FOR: Record<Height, number> = { 360: 700_000, 480: 1_200_000, 720: 2_500_000, 1080: 4_500_000 };

/** A shared screen has sharp edges, and few changes between them; in bits per second. */
export const SCREEN_BPS = 2_500_000;

/** Frames per second of a shared screen: text scrolls well at half of what faces need. */
export const SCREEN_FPS = 15;

/** Speech and some music in Opus, mono; in bits per second. */
export const MICROPHONE_BPS = 48_000;

/** The sound of films and games, in stereo; in bits per second. */
export const SCREEN_AUDIO_BPS = 128_000;

/** The bitrate of all layers of the camera together, in bits per second. */
export function bitrateOf(quality: Quality): number {
  return quality.bitrateBps ?? BITRATE_FOR[quality.height];
}

/**
 * The three layers of a camera, smallest first as browsers want them, with their share of the bitrate. Each has a quarter
 * of the pixels of the next; smaller pictures need more bits for each pixel.
 */
const LAYERS = [
  { rid: 'q', scaleResolutionDownBy: 4, share: 0.07 },
  { rid: 'h', scaleResolutionDownBy: 2, share: 0.22 },
  { rid: 'f', scaleResolutionDownBy: 1, share: 0.71 },
] as const;

/** Encodings of a camera in three layers (W3C WebRTC §5.4.1, simulcast). */
export function layersFor(quality: Quality): RTCRtpEncodingParameters[] {
  const bitrate = bitrateOf(quality);
  return LAYERS.map(({ rid, scaleResolutionDownBy, share }) => ({
    rid,
    scaleResolutionDownBy,
    maxBitrate: Math.round(bitrate * share),
  }));
}

/** Encodings of a camera in one layer. */
export function singleFor(quality: Quality): RTCRtpEncodingParameters[] {
  return [{ maxBitrate: bitrateOf(quality) }];
}

/**
 * The bitrates of `quality` put into the encodings that a sender has, whichever of the layers the browser kept.
 *
 * @param encodings - as `RTCRtpSender.getParameters` gives them
 */
export function withQuality(
  encodings: readonly RTCRtpEncodingParameters[],
  quality: Quality,
): RTCRtpEncodingParameters[] {
  const layers = new Map(layersFor(quality).map((layer) => [layer.rid, layer.maxBitrate]));
  const layered = encodings.length > 1;
  return encodings.map((encoding) => ({
    ...encoding,
    maxBitrate: (layered ? layers.get(encoding.rid) : undefined) ?? bitrateOf(quality),
  }));
}

/** Which camera is asked for. */
export type CameraChoice =
  /** The one named, and no other. */
  | { readonly deviceId: string }
  /** One that looks this way, and no other where `exact`. */
  | { readonly facingMode: 'user' | 'environment'; readonly exact: boolean }
  /** Whichever the browser gives. */
  | null;

/** What `getUserMedia` is asked for. A size that the camera does not have is no reason to refuse: the nearest will do. */
export function cameraConstraints(quality: Quality, choice: CameraChoice): MediaTrackConstraints {
  return {
    ...sizeConstraints(quality),
    ...(choice !== null && 'deviceId' in choice && { deviceId: { exact: choice.deviceId } }),
    ...(choice !== null &&
      'facingMode' in choice && { facingMode: { [choice.exact ? 'exact' : 'ideal']: choice.facingMode } }),
  };
}

/** The part of the constraints that can change while the camera runs. */
export function sizeConstraints(quality: Quality): MediaTrackConstraints {
  return {
    width: { ideal: Math.round((quality.height * 16) / 9) },
    height: { ideal: quality.height },
    frameRate: { ideal: 30 },
  };
}

/** What `getUserMedia` is asked for: speech without echo, without the room's hum, at an even loudness. */
export function microphoneConstraints(deviceId: string | null): MediaTrackConstraints {
  return {
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
    ...(deviceId !== null && { deviceId: { exact: deviceId } }),
  };
}
