import { type Entry, entriesOf, inMs, numberIn, selectedPair } from './sample';

/** What is sent at one moment, independent of the engine; `null` stands for what the engine does not tell. */
export interface SendSample {
  /** When it was taken, in milliseconds on a clock that does not jump. */
  readonly atMs: number;
  /** Of the largest picture that is sent; 0 where there is none. */
  readonly width: number;
  readonly height: number;
  /** Of the same picture, in frames per second. */
  readonly fps: number;
  /** Payload of all tracks and layers since the start of the connection. */
  readonly bytes: number;
  /** The greatest share of a track's packets that the server has missed lately, 0 to 1 (RFC 3550 §6.4.1). */
  readonly loss: number | null;
  readonly roundTripMs: number | null;
  /** What congestion control thinks that the way to the server carries, in bits per second. */
  readonly estimateBps: number | null;
}

/** What the statistics panel shows of it. */
export interface SendFigures extends Omit<SendSample, 'atMs' | 'bytes'> {
  /** Bits per second of all that is sent, without the overhead of IP and UDP. */
  readonly bitrate: number;
}

/** The figures between two samples of one connection; `null` where no time has passed, or another connection has begun. */
export function sendFiguresBetween(before: SendSample, now: SendSample): SendFigures | null {
  const seconds = (now.atMs - before.atMs) / 1_000;
  if (seconds <= 0 || now.bytes < before.bytes) {
    return null;
  }
  const { width, height, fps, loss, roundTripMs, estimateBps } = now;
  return { width, height, fps, loss, roundTripMs, estimateBps, bitrate: ((now.bytes - before.bytes) * 8) / seconds };
}

/**
 * Reads what `RTCPeerConnection.getStats()` answers of a connection that sends.
 *
 * @returns `null` while there is no outbound stream
 */
export function readSendStats(report: Iterable<readonly [string, unknown]>, atMs: number): SendSample | null {
  const entries = entriesOf(report);
  const all = [...entries.values()];
  const outbound = all.filter((entry) => entry['type'] === 'outbound-rtp');
  if (outbound.length === 0) {
    return null;
  }
  const largest = outbound
    .filter((entry) => entry['kind'] === 'video' && (numberIn(entry, 'framesPerSecond') ?? 0) > 0)
    .reduce<Entry | undefined>(
      (best, entry) => (best === undefined || lines(entry) > lines(best) ? entry : best),
      undefined,
    );
  const heard = all.filter((entry) => entry['type'] === 'remote-inbound-rtp');
  const pair = selectedPair(entries);
  return {
    atMs,
    width: numberIn(largest, 'frameWidth') ?? 0,
    height: numberIn(largest, 'frameHeight') ?? 0,
    fps: numberIn(largest, 'framesPerSecond') ?? 0,
    bytes: outbound.reduce((total, entry) => total + (numberIn(entry, 'bytesSent') ?? 0), 0),
    loss: greatest(heard.map((entry) => numberIn(entry, 'fractionLost'))),
    roundTripMs: inMs(numberIn(pair, 'currentRoundTripTime')),
    estimateBps: numberIn(pair, 'availableOutgoingBitrate'),
  };
}

function lines(entry: Entry): number {
  return numberIn(entry, 'frameHeight') ?? 0;
}

function greatest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}
