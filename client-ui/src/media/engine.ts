import type { MediaKind } from '../protocol/bindings';
import type { Outputs } from './outputs';
import type { MediaSample } from './sample';

/** The way of the media, as the transport sees it. */
export type TransportState = 'connecting' | 'connected' | 'interrupted' | 'failed';

/** How many receive slots of each kind a subscription asks for. */
export interface Wanted {
  readonly audio: number;
  readonly video: number;
}

/** What a subscription reports. */
export interface SubscriptionEvents {
  /** The transport changed. */
  transport(state: TransportState): void;
}

/** An element that pictures are shown in: a video, or a canvas that an engine draws on. */
export type Surface = HTMLVideoElement | HTMLCanvasElement;

/** One connection that receives media. It offers; the server answers. */
export interface Subscription {
  /** The first offer, as SDP. It is in the making from the start, so that it is ready when the signaling is. */
  readonly offer: Promise<string>;
  /**
   * Asks for slots until there are as many as wanted; those that exist stay as they are. Not before the offer that is
   * out was answered.
   *
   * @returns the next offer, as SDP
   */
  extend(wanted: Wanted): Promise<string>;
  /**
   * Begins to look for another way, with the relays of `configuration`. Not before the offer that is out was answered.
   * Left out by engines that know no relays.
   *
   * @returns the next offer, as SDP
   */
  goRound?(configuration: RTCConfiguration): Promise<string>;
  /** Takes the server's answer. Rejects where it makes no sense. */
  accept(answerSdp: string): Promise<void>;
  /** Takes a candidate that the server sent after its answer. */
  addCandidate(candidate: RTCIceCandidateInit): Promise<void>;
  /** Whether `mid` is the first slot of its kind: {@link attach} plays those. Known once the offer is made. */
  isFirst(mid: string): boolean;
  /** Plays the first slot of each kind in `surface`, until something else is attached there. */
  attach(surface: Surface): void;
  /** Plays one slot in `element`, until something else is attached there. */
  attachSlot(element: Surface | HTMLAudioElement, mid: string): void;
  /** A mark that changes whenever media has arrived; `null` before there was any. Left out by engines that have none. */
  arrivals?(): number | null;
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
  /** What pictures are to be shown in. */
  readonly surface: 'video' | 'canvas';
  /**
   * Whether it is left out of sessions whose media goes straight between browsers: that takes a browser's own WebRTC. Not said
   * by engines that come with one.
   */
  readonly meshless?: true;
  /**
   * Sets how loud everybody is, where sound does not come out of the elements that it is attached to.
   *
   * @param volume - 0 to 1
   */
  setVolume?(volume: number): void;
  /** The loudspeakers that it plays on, where a person can choose among them. */
  readonly outputs?: Outputs | undefined;
  /** Names of the video codecs that it decodes, in upper case as in SDP: `H264`, `VP8`, `VP9`, `AV1`. */
  videoCodecs(): Promise<readonly string[]>;
  /** Begins to receive. */
  subscribe(wanted: Wanted, events: SubscriptionEvents): Subscription;
}

/** Both kinds, in the order in which slots are offered. */
export const MEDIA_KINDS: readonly MediaKind[] = ['audio', 'video'];
