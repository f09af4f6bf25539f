/**
 * Counters of one subscription at one moment, independent of the engine. Counters run from the start of the
 * subscription; `null` stands for what the engine does not tell.
 */
export interface MediaSample {
  /** When it was taken, in milliseconds on a clock that does not jump. */
  readonly atMs: number;
  readonly width: number;
  readonly height: number;
  /** As in SDP: `H264`. */
  readonly videoCodec: string | null;
  readonly videoBytes: number;
  readonly audioBytes: number;
  /** Of both kinds together. */
  readonly packetsReceived: number;
  /** Of both kinds together; goes down when a packet that counted as lost arrives late (RFC 3550 §6.4.1). */
  readonly packetsLost: number;
  readonly framesDecoded: number;
  readonly framesDropped: number;
  /** Of the video, in milliseconds (RFC 3550 §6.4.1). */
  readonly jitterMs: number | null;
  /** Of the path to the server, in milliseconds. */
  readonly roundTripMs: number | null;
  /** Time that all frames together waited in the jitter buffer, in milliseconds, and how many they were. */
  readonly bufferedMs: number;
  readonly bufferedFrames: number;
  /** Time that all frames together took to decode, in milliseconds. */
  readonly decodeMs: number;
}

type Entry = Readonly<Record<string, unknown>>;

function numberIn(entry: Entry | undefined, key: string): number | null {
  const value = entry?.[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function textIn(entry: Entry | undefined, key: string): string | null {
  const value = entry?.[key];
  return typeof value === 'string' ? value : null;
}

function inMs(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1_000;
}

/** The pair that carries the media: named by the transport where the browser does so, else the one that is nominated. */
function selectedPair(entries: ReadonlyMap<string, Entry>): Entry | undefined {
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

/**
 * Reads what `RTCPeerConnection.getStats()` answers (W3C Identifiers for WebRTC's Statistics API).
 *
 * @returns `null` while there is no inbound stream
 */
export function readStats(report: Iterable<readonly [string, unknown]>, atMs: number): MediaSample | null {
  const entries = new Map<string, Entry>();
  for (const [id, entry] of report) {
    if (typeof entry === 'object' && entry !== null) {
      entries.set(id, entry as Entry);
    }
  }
  const inbound = (kind: string) =>
    [...entries.values()].find((entry) => entry['type'] === 'inbound-rtp' && entry['kind'] === kind);
  const video = inbound('video');
  const audio = inbound('audio');
  if (video === undefined && audio === undefined) {
    return null;
  }
  const both = (key: string) => (numberIn(video, key) ?? 0) + (numberIn(audio, key) ?? 0);
  return {
    atMs,
    width: numberIn(video, 'frameWidth') ?? 0,
    height: numberIn(video, 'frameHeight') ?? 0,
    videoCodec: codecName(entries, video),
    videoBytes: numberIn(video, 'bytesReceived') ?? 0,
    audioBytes: numberIn(audio, 'bytesReceived') ?? 0,
    packetsReceived: both('packetsReceived'),
    packetsLost: both('packetsLost'),
    framesDecoded: numberIn(video, 'framesDecoded') ?? 0,
    framesDropped: numberIn(video, 'framesDropped') ?? 0,
    jitterMs: inMs(numberIn(video ?? audio, 'jitter')),
    roundTripMs: inMs(numberIn(selectedPair(entries), 'currentRoundTripTime')),
    bufferedMs: inMs(numberIn(video, 'jitterBufferDelay')) ?? 0,
    bufferedFrames: numberIn(video, 'jitterBufferEmittedCount') ?? 0,
    decodeMs: inMs(numberIn(video, 'totalDecodeTime')) ?? 0,
  };
}
