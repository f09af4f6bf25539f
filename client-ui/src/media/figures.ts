import type { MediaSample } from './sample';

/** What the statistics panel shows: rates over the time between two samples. */
export interface Figures {
  readonly width: number;
  readonly height: number;
  readonly videoCodec: string | null;
  /** Frames of the largest picture decoded per second. */
  readonly fps: number;
  /** Bits per second of audio and video, without the overhead of IP and UDP. */
  readonly bitrate: number;
  /** Share of packets that did not arrive, 0 to 1. */
  readonly loss: number;
  readonly jitterMs: number | null;
  readonly roundTripMs: number | null;
  /** Frames that came too late or could not be shown, since the sample before. */
  readonly framesDropped: number;
  /**
   * From the server to the screen, estimated: half the round trip, the jitter buffer and the decoder. What happens before
   * the server (camera, encoder, upload) is not in it.
   */
  readonly latencyMs: number | null;
}

/** How the connection is doing, in the words of the page. */
export type Quality = 'good' | 'fair' | 'poor';

function growth(before: number, now: number): number {
  return Math.max(0, now - before);
}

function mean(totalBefore: number, totalNow: number, countBefore: number, countNow: number): number {
  const count = growth(countBefore, countNow);
  return count === 0 ? 0 : growth(totalBefore, totalNow) / count;
}

/** The figures between two samples of the same subscription; `null` where no time has passed between them. */
export function figuresBetween(before: MediaSample, now: MediaSample): Figures | null {
  const seconds = (now.atMs - before.atMs) / 1_000;
  if (seconds <= 0) {
    return null;
  }
  const bytes = growth(before.videoBytes, now.videoBytes) + growth(before.audioBytes, now.audioBytes);
  const lost = growth(before.packetsLost, now.packetsLost);
  const expected = lost + growth(before.packetsReceived, now.packetsReceived);
  const frames = growth(before.framesDecoded, now.framesDecoded);
  const buffered = mean(before.bufferedMs, now.bufferedMs, before.bufferedFrames, now.bufferedFrames);
  const decoding = mean(before.decodeMs, now.decodeMs, before.framesDecoded, now.framesDecoded);
  return {
    width: now.width,
    height: now.height,
    videoCodec: now.videoCodec,
    fps: growth(before.framesOfLargest, now.framesOfLargest) / seconds,
    bitrate: (bytes * 8) / seconds,
    loss: expected === 0 ? 0 : lost / expected,
    jitterMs: now.jitterMs,
    roundTripMs: now.roundTripMs,
    framesDropped: growth(before.framesDropped, now.framesDropped),
    latencyMs: now.roundTripMs === null || frames === 0 ? null : now.roundTripMs / 2 + buffered + decoding,
  };
}

/**
 * One word for the connection. The limits are those from which people notice: retransmission hides 2 % loss at short
 * round trips, and no longer 8 %.
 */
export function qualityOf(figures: Figures): Quality {
  const roundTrip = figures.roundTripMs ?? 0;
  if (figures.loss > 0.08 || roundTrip > 500) {
    return 'poor';
  }
  if (figures.loss > 0.02 || roundTrip > 200 || (figures.jitterMs ?? 0) > 60) {
    return 'fair';
  }
  return 'good';
}

/** How many samples the small plots show: a minute at one a second. */
export const HISTORY_LENGTH = 60;

/** `history` with `figures` at its end, never longer than {@link HISTORY_LENGTH}. */
export function remember<T>(history: readonly T[], figures: T): readonly T[] {
  return [...history.slice(-(HISTORY_LENGTH - 1)), figures];
}
