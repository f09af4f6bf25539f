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

/** A phone's cellular upstream carries it, and what it costs is bearable. */
export const CELLULAR_QUALITY: Quality = { height: 480, bitrateBps: null };

/** Widths of the picture: cameras have 480 lines in the old shape of televisions, and the others in the new one. */
const WIDTH_FOR: Record<Height, number> = { 360: 640, 480: 640, 720: 1280, 1080: 1920 };

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

/** The layers of a camera, smallest first as browsers want them. */
const LAYERS = ['q', 'h', 'f'] as const;

/**
 * Shares of the bitrate where so many layers are sent. Each has a quarter of the pixels of the next; smaller pictures need
 * more bits for each pixel.
 */
const SHARES: readonly (readonly number[])[] = [[1], [0.24, 0.76], [0.07, 0.22, 0.71]];

/**
 * Lines that a picture needs for three layers and for two. With fewer, browsers send only the first ones of those that
 * they have: then these have to be the large ones.
 */
const LINES_FOR_THREE = 540;
const LINES_FOR_TWO = 270;

function layersSent(lines: number | null): number {
  return lines === null || lines >= LINES_FOR_THREE ? 3 : lines >= LINES_FOR_TWO ? 2 : 1;
}

/**
 * Encodings of a camera in three layers (W3C WebRTC §5.4.1, simulcast), of which a small picture leaves some unused.
 *
 * @param lines - the height of what the camera gives; `null` where that is not known
 */
export function layersFor(quality: Quality, lines: number | null = null): RTCRtpEncodingParameters[] {
  const bitrate = bitrateOf(quality);
  const sent = layersSent(lines);
  const shares = SHARES[sent - 1] ?? [];
  return LAYERS.map((rid, index) => {
    const active = index < sent;
    return {
      rid,
      active,
      scaleResolutionDownBy: active ? 2 ** (sent - 1 - index) : 1,
      maxBitrate: Math.round(bitrate * (shares[index] ?? 1)),
    };
  });
}

/** Encodings of a camera in one layer. */
export function singleFor(quality: Quality): RTCRtpEncodingParameters[] {
  return [{ maxBitrate: bitrateOf(quality) }];
}

/**
 * `quality` put into the encodings that a sender has, whichever of the layers the browser kept.
 *
 * @param encodings - as `RTCRtpSender.getParameters` gives them
 * @param lines - the height of what the camera gives; `null` where that is not known
 */
export function withQuality(
  encodings: readonly RTCRtpEncodingParameters[],
  quality: Quality,
  lines: number | null = null,
): RTCRtpEncodingParameters[] {
  const layers = new Map(layersFor(quality, lines).map((layer) => [layer.rid, layer]));
  const layered = encodings.length > 1;
  return encodings.map((encoding) => {
    const layer = layered ? layers.get(encoding.rid) : undefined;
    return layer === undefined ? { ...encoding, maxBitrate: bitrateOf(quality) } : { ...encoding, ...layer };
  });
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
    width: { ideal: WIDTH_FOR[quality.height] },
    height: { ideal: quality.height },
    frameRate: { ideal: 30 },
  };
}

/**
 * What is done to a voice: nothing where it is not wanted, since what helps speech spoils music.
 *
 * @param clean - whether it is to be without echo, without the room's hum, and at an even loudness
 */
export function voiceConstraints(clean: boolean): MediaTrackConstraints {
  return { echoCancellation: clean, noiseSuppression: clean, autoGainControl: clean };
}

/** What `getUserMedia` is asked for. */
export function microphoneConstraints(deviceId: string | null, clean = true): MediaTrackConstraints {
  return {
    ...voiceConstraints(clean),
    ...(deviceId !== null && { deviceId: { exact: deviceId } }),
  };
}
