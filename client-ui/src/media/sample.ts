/**
 * Counters of one subscription at one moment, independent of the engine, over all its slots. Counters run from the start
 * of the subscription; `null` stands for what the engine does not tell.
 */
export interface MediaSample {
  /** When it was taken, in milliseconds on a clock that does not jump. */
  readonly atMs: number;
  /** Of the largest picture. */
  readonly width: number;
  readonly height: number;
  /** Of the same picture, as in SDP: `H264`. */
  readonly videoCodec: string | null;
  readonly videoBytes: number;
  readonly audioBytes: number;
  /** Of both kinds together. */
  readonly packetsReceived: number;
  /** Of both kinds together; goes down when a packet that counted as lost arrives late (RFC 3550 §6.4.1). */
  readonly packetsLost: number;
  readonly framesDecoded: number;
  /** The same of the largest picture alone. */
  readonly framesOfLargest: number;
  readonly framesDropped: number;
  /** Of the largest picture, or else of the first sound, in milliseconds (RFC 3550 §6.4.1). */
  readonly jitterMs: number | null;
  /** Of the path to the server, in milliseconds. */
  readonly roundTripMs: number | null;
  /** Time that all frames together waited in the jitter buffer, in milliseconds, and how many they were. */
  readonly bufferedMs: number;
  readonly bufferedFrames: number;
  /** Time that all frames together took to decode, in milliseconds. */
  readonly decodeMs: number;
}

/** One object of a statistics report. */
export type Entry = Readonly<Record<string, unknown>>;

/** A number of `entry`; `null` where it has none. */
export function numberIn(entry: Entry | undefined, key: string): number | null {
  const value = entry?.[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function textIn(entry: Entry | undefined, key: string): string | null {
  const value = entry?.[key];
  return typeof value === 'string' ? value : null;
}

/** From seconds. */
export function inMs(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1_000;
}

/** The pair that carries the media: named by the transport where the browser does so, else the one that is nominated. */
export function selectedPair(entries: ReadonlyMap<string, Entry>): Entry | undefined {
  const all = [...entries.values()];
  const named = all.map((entry) => textIn(entry, 'selectedCandidatePairId')).find((id) => id !== null);
  return (
    (named === undefined || named === null ? undefined : entries.get(named)) ??
    all.find(
      (entry) => entry['type'] === 'candidate-pair' && entry['nominated'] === true && entry['state'] === 'succeeded',
    )
  );
}

function codecName(entries: ReadonlyMap<string, Entry>, inbound: Entry | undefined): string | null {
  const id = textIn(inbound, 'codecId');
  const mimeType = id === null ? null : textIn(entries.get(id), 'mimeType');
  return mimeType === null ? null : (mimeType.split('/')[1] ?? null);
}

/** The objects of a report, by their ids. */
export function entriesOf(report: Iterable<readonly [string, unknown]>): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const [id, entry] of report) {
    if (typeof entry === 'object' && entry !== null) {
      entries.set(id, entry as Entry);
    }
  }
  return entries;
}

/**
 * Reads what `RTCPeerConnection.getStats()` answers (W3C Identifiers for WebRTC's Statistics API).
 *
 * @returns `null` while there is no inbound stream
 */
export function readStats(report: Iterable<readonly [string, unknown]>, atMs: number): MediaSample | null {
  const entries = entriesOf(report);
  const inbound = (kind: string) =>
    [...entries.values()].filter((entry) => entry['type'] === 'inbound-rtp' && entry['kind'] === kind);
  const pictures = inbound('video');
  const sounds = inbound('audio');
  const all = [...pictures, ...sounds];
  if (all.length === 0) {
    return null;
  }
  const area = (entry: Entry) => (numberIn(entry, 'frameWidth') ?? 0) * (numberIn(entry, 'frameHeight') ?? 0);
  const largest = pictures.reduce<Entry | undefined>(
    (best, entry) => (best === undefined || area(entry) > area(best) ? entry : best),
    undefined,
  );
  const sum = (of: readonly Entry[], key: string) =>
    of.reduce((total, entry) => total + (numberIn(entry, key) ?? 0), 0);
  return {
    atMs,
    width: numberIn(largest, 'frameWidth') ?? 0,
    height: numberIn(largest, 'frameHeight') ?? 0,
    videoCodec: codecName(entries, largest),
    videoBytes: sum(pictures, 'bytesReceived'),
    audioBytes: sum(sounds, 'bytesReceived'),
    packetsReceived: sum(all, 'packetsReceived'),
    packetsLost: sum(all, 'packetsLost'),
    framesDecoded: sum(pictures, 'framesDecoded'),
    framesOfLargest: numberIn(largest, 'framesDecoded') ?? 0,
    framesDropped: sum(pictures, 'framesDropped'),
    jitterMs: inMs(numberIn(largest ?? sounds[0], 'jitter')),
    roundTripMs: inMs(numberIn(selectedPair(entries), 'currentRoundTripTime')),
    bufferedMs: sum(pictures, 'jitterBufferDelay') * 1_000,
    bufferedFrames: sum(pictures, 'jitterBufferEmittedCount'),
    decodeMs: sum(pictures, 'totalDecodeTime') * 1_000,
  };
}
