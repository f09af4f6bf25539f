import type { SignalData, SignalType, TrackSource } from '../protocol/bindings';
import { type Content, contentOf, contentsIn, withContents } from './contents';
import { MAX_EARLY } from './early';
import { SOURCES, isShared } from './sources';

/** A connection that has carried media for so long has held, in milliseconds. */
const HELD_AFTER_MS = 30_000;

/**
 * Messages that a connection may cost until it has held, and then again: an offer or answer with its candidates, some times
 * over. Somebody who keeps asking for new ones would have us say more than the server takes, which is 300 at once and 20 a second.
 */
const MAX_SAID = 100;

/** What goes to the other one: a description or a candidate. */
export type SendSignal = (type: SignalType, data: SignalData) => void;

/** What a peer reports. */
export interface MeshPeerEvents {
  /** What comes from the other one. */
  streams(person: MediaStream | null, screen: MediaStream | null): void;
  /** The connection has carried media for a good while. */
  held(): void;
  /**
   * The connection is beyond repair, or the other one has begun anew: another one is to be made.
   *
   * @param offer - which the next connection has to take
   */
  lost(offer: string | null): void;
}

/** The tracks that are sent, with the streams that group them. */
export interface Sent {
  readonly tracks: ReadonlyMap<TrackSource, MediaStreamTrack>;
  readonly person: MediaStream;
  readonly screen: MediaStream;
  /** Of the camera, in bits per second. */
  readonly bitrateBps: number;
}

/**
 * The DTLS fingerprint of a description (RFC 8122 §5): that of a connection stays the same for its whole life, so another
 * one means another connection.
 */
export function fingerprintOf(sdp: string): string | null {
  return sdp.match(/^a=fingerprint:(\S+ \S+)/im)?.[1]?.toLowerCase() ?? null;
}

/**
 * One connection between two browsers, on which both may offer at any time: perfect negotiation (W3C WebRTC §10.7). Where
 * two offers cross, the polite side takes its own back.
 */
export class MeshPeer {
  readonly #connection: RTCPeerConnection;
  readonly #polite: boolean;
  readonly #outside: SendSignal;
  readonly #events: MeshPeerEvents;
  readonly #sections = new Map<TrackSource, RTCRtpTransceiver>();
  /** What comes, oldest first, and what it shows. */
  readonly #streams = new Map<MediaStream, Content>();
  /** What the other one's sections show, by their identification tags. */
  #contents: ReadonlyMap<string, Content> = new Map();
  #early: RTCIceCandidateInit[] = [];
  #making = false;
  #ignoring = false;
  #theirs: string | null = null;
  /** Signals are dealt with one after the other. */
  #work: Promise<void> = Promise.resolve();
  #closed = false;
  /** Messages since it was made, or held. */
  #said = 0;
  #holding: ReturnType<typeof setInterval> | undefined;

  constructor(connection: RTCPeerConnection, polite: boolean, send: SendSignal, events: MeshPeerEvents) {
    this.#connection = connection;
    this.#polite = polite;
    this.#outside = send;
    this.#events = events;
    connection.onnegotiationneeded = () => void this.#offer();
    connection.onicecandidate = ({ candidate }) => {
      if (candidate !== null) {
        const { sdpMid, sdpMLineIndex } = candidate;
        this.#send('ice_candidate', {
          candidate: candidate.candidate,
          ...(sdpMid !== null && { sdpMid }),
          ...(sdpMLineIndex !== null && { sdpMLineIndex }),
        });
      }
    };
    connection.ontrack = ({ streams, transceiver }) => this.#hear(streams, transceiver.mid);
    connection.onconnectionstatechange = () => this.#transport(connection.connectionState);
  }

  /** The device has another address now. */
  restart(): void {
    this.#connection.restartIce();
  }

  /** Sends these tracks, and no others. */
  give({ tracks, person, screen, bitrateBps }: Sent): void {
    for (const source of SOURCES) {
      const track = tracks.get(source) ?? null;
      const section = this.#sections.get(source);
      if (section !== undefined) {
        section.direction = track === null && isShared(source) ? 'inactive' : 'sendonly';
        section.sender.replaceTrack(track).catch(() => this.#lose());
      } else if (track !== null) {
        const streams = [isShared(source) ? screen : person];
        this.#sections.set(source, this.#connection.addTransceiver(track, { direction: 'sendonly', streams }));
      }
    }
    const camera = this.#sections.get('camera');
    if (camera !== undefined) {
      void limit(camera.sender, bitrateBps);
    }
  }

  /** Takes what the other one says. */
  receive(type: SignalType, data: SignalData): void {
    this.#work = this.#work.then(() => (this.#closed ? undefined : this.#take(type, data))).catch(() => this.#lose());
  }

  /** Frees everything, and reports nothing more. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#holding);
    const connection = this.#connection;
    connection.onnegotiationneeded = connection.onicecandidate = connection.ontrack = null;
    connection.onconnectionstatechange = null;
    connection.close();
  }

  #lose(offer: string | null = null): void {
    if (!this.#closed) {
      this.close();
      this.#events.lost(offer);
    }
  }

  #transport(state: RTCPeerConnectionState): void {
    clearInterval(this.#holding);
    if (state === 'connected') {
      this.#holding = setInterval(() => this.#hold(), HELD_AFTER_MS);
    } else if (state === 'failed') {
      this.#lose();
    } else if (state === 'disconnected') {
      this.#connection.restartIce();
    }
  }

  #hold(): void {
    this.#said = 0;
    this.#events.held();
  }

  #send(type: SignalType, data: SignalData): void {
    this.#said += 1;
    if (this.#said > MAX_SAID) {
      this.#lose();
    } else {
      this.#outside(type, data);
    }
  }

  async #offer(): Promise<void> {
    try {
      this.#making = true;
      await this.#connection.setLocalDescription();
      this.#describe();
    } catch {
      this.#lose();
    } finally {
      this.#making = false;
    }
  }

  #describe(): void {
    const description = this.#connection.localDescription;
    if (description !== null && !this.#closed) {
      const sdp = withContents(description.sdp, this.#ownContents());
      this.#send(description.type === 'offer' ? 'offer' : 'answer', { sdp });
    }
  }

  #ownContents(): ReadonlyMap<string, Content> {
    const named = [...this.#sections].flatMap(([source, { mid }]): [string, Content][] =>
      mid === null ? [] : [[mid, contentOf(source)]],
    );
    return new Map(named);
  }

  async #take(type: SignalType, data: SignalData): Promise<void> {
    if (!('sdp' in data)) {
      await this.#candidate(data);
    } else if (type === 'offer') {
      await this.#offered(data.sdp);
    } else if (this.#connection.signalingState === 'have-local-offer') {
      await this.#describedBy('answer', data.sdp);
    }
  }

  async #offered(sdp: string): Promise<void> {
    const crossed = this.#making || this.#connection.signalingState !== 'stable';
    this.#ignoring = !this.#polite && crossed;
    if (this.#ignoring) {
      return;
    }
    await this.#describedBy('offer', sdp);
    if (!this.#closed) {
      await this.#connection.setLocalDescription();
      this.#describe();
    }
  }

  async #describedBy(type: 'offer' | 'answer', sdp: string): Promise<void> {
    const fingerprint = fingerprintOf(sdp);
    if (this.#theirs !== null && fingerprint !== this.#theirs) {
      this.#lose(type === 'offer' ? sdp : null);
      return;
    }
    // What is new in it is told while it is taken.
    this.#contents = contentsIn(sdp);
    await this.#connection.setRemoteDescription({ type, sdp });
    this.#theirs = fingerprint;
    for (const candidate of this.#early.splice(0)) {
      await this.#connection.addIceCandidate(candidate);
    }
  }

  async #candidate(candidate: RTCIceCandidateInit): Promise<void> {
    if (this.#connection.remoteDescription === null) {
      if (this.#early.length < MAX_EARLY) {
        this.#early.push(candidate);
      }
      return;
    }
    try {
      await this.#connection.addIceCandidate(candidate);
    } catch {
      // One that belongs to an offer that was ignored, or that this browser cannot use: there are others.
    }
  }

  #hear(streams: readonly MediaStream[], mid: string | null): void {
    for (const stream of streams) {
      if (!this.#streams.has(stream)) {
        this.#streams.set(stream, this.#contentOf(mid));
        stream.onremovetrack = () => {
          if (stream.getTracks().length === 0) {
            this.#streams.delete(stream);
            this.#tellStreams();
          }
        };
      }
    }
    this.#tellStreams();
  }

  /** A page from before sections said so sends a person first, as a rule. */
  #contentOf(mid: string | null): Content {
    return this.#contents.get(mid ?? '') ?? (this.#showing('main') === null ? 'main' : 'slides');
  }

  #showing(wanted: Content): MediaStream | null {
    return [...this.#streams].find(([, content]) => content === wanted)?.[0] ?? null;
  }

  #tellStreams(): void {
    if (!this.#closed) {
      this.#events.streams(this.#showing('main'), this.#showing('slides'));
    }
  }
}

/** Upstream is shared by all whom the picture goes to. */
async function limit(sender: RTCRtpSender, bitrateBps: number): Promise<void> {
  const parameters = sender.getParameters();
  if (parameters.encodings.length > 0) {
    parameters.encodings = parameters.encodings.map((encoding) => ({ ...encoding, maxBitrate: bitrateBps }));
    await sender.setParameters(parameters).catch(() => undefined);
  }
}
