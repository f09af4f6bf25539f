import type { MediaSample } from './sample';

/** The way of the media, as the transport sees it. */
export type TransportState = 'connecting' | 'connected' | 'interrupted' | 'failed';

/** Which kinds of media a subscription asks for: one receive slot for each. */
export interface Wanted {
  readonly audio: boolean;
  readonly video: boolean;
}

/** What a subscription reports. */
export interface SubscriptionEvents {
  /** The transport changed. */
  transport(state: TransportState): void;
}

/** One connection that receives media. It offers once; the server answers. */
export interface Subscription {
  /** The offer, as SDP. It is in the making from the start, so that it is ready when the signaling is. */
  readonly offer: Promise<string>;
  /** Takes the server's answer. Rejects where it makes no sense. */
  accept(answerSdp: string): Promise<void>;
  /** Takes a candidate that the server sent after its answer. */
  addCandidate(candidate: RTCIceCandidateInit): Promise<void>;
  /** Shows the media in `video`, until another subscription is attached there. */
  attach(video: HTMLVideoElement): void;
  /** The counters as they stand, or `null` before there is anything to count. */
  sample(): Promise<MediaSample | null>;
  /** Frees everything. The element that it was attached to keeps its last picture where the engine can do that. */
  close(): void;
}

/**
 * What carries the media. The pages know this interface alone; a browser's own WebRTC is one implementation, an
 * application that embeds the pages brings another.
 */
export interface MediaEngine {
  /** Whether it works at all here. */
  readonly works: boolean;
  /** Names of the video codecs that it decodes, in upper case as in SDP: `H264`, `VP8`. */
  videoCodecs(): readonly string[];
  /** Begins to receive. */
  subscribe(wanted: Wanted, events: SubscriptionEvents): Subscription;
}
