import type { SignalData, TrackSource } from '../protocol/bindings';
import { NativeTrack } from './native-devices';
import { type MediaCommands, type PublishConnectionState, type PublishOffer, mediaCommands } from './media-commands';

/** A section that sends, under the names of an `RTCRtpTransceiver`. */
class NativeTransceiver {
  mid: string | null = null;
  direction: RTCRtpTransceiverDirection = 'sendonly';
  readonly source: TrackSource;
  readonly sender: NativeSender;

  constructor(track: NativeTrack) {
    this.source = track.place;
    this.sender = new NativeSender(track);
  }
}

class NativeSender {
  track: NativeTrack | null;

  constructor(track: NativeTrack) {
    this.track = track;
  }

  /** In the app a track is exchanged where it is captured: what comes from a place goes on in its section. */
  replaceTrack(track: NativeTrack | null): Promise<void> {
    this.track = track;
    return Promise.resolve();
  }

  getParameters(): { encodings: RTCRtpEncodingParameters[] } {
    return { encodings: this.track?.place === 'camera' ? [{}] : [] };
  }

  async setParameters({ encodings }: { encodings: readonly RTCRtpEncodingParameters[] }): Promise<void> {
    const bitrate = encodings[0]?.maxBitrate;
    if (bitrate !== undefined) {
      await this.track?.setBitrate(bitrate);
    }
  }
}

const STATES: Readonly<Record<PublishConnectionState, RTCPeerConnectionState>> = {
  connecting: 'connecting',
  connected: 'connected',
  interrupted: 'disconnected',
  failed: 'failed',
};

/** A connection of the app's that sends, under the names of an `RTCPeerConnection`, as far as `Publisher` uses them. */
export class NativeConnection {
  connectionState: RTCPeerConnectionState = 'new';
  signalingState: RTCSignalingState = 'stable';
  localDescription: { readonly sdp: string } | null = null;
  remoteDescription: RTCSessionDescriptionInit | null = null;
  onconnectionstatechange: (() => void) | null = null;
  readonly #commands: MediaCommands;
  readonly #sections: NativeTransceiver[] = [];
  /** The app's connection behind this one, once there is one. */
  #id: number | null = null;
  #closed = false;

  constructor(commands: MediaCommands = mediaCommands) {
    this.#commands = commands;
  }

  /** The same for `Publisher`. */
  get rtc(): RTCPeerConnection {
    return this as unknown as RTCPeerConnection;
  }

  addTransceiver(track: unknown): NativeTransceiver {
    if (!(track instanceof NativeTrack)) {
      throw new TypeError('the app sends what it captures itself');
    }
    const section = new NativeTransceiver(track);
    this.#sections.push(section);
    return section;
  }

  /** Makes an offer; where there is a connection and nothing has become of its address, on that one. */
  async setLocalDescription(): Promise<void> {
    const sending = this.#sections.filter(({ direction }) => direction === 'sendonly').map(({ source }) => source);
    const offer = this.#id === null ? await this.#first(sending) : await this.#commands.publishAgain(this.#id, sending);
    for (const [mid, source] of Object.entries(offer.sources)) {
      const section = this.#sections.find((one) => one.source === source);
      if (section !== undefined) {
        section.mid = mid;
      }
    }
    this.localDescription = { sdp: offer.sdp };
    this.signalingState = 'have-local-offer';
  }

  async setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    await this.#commands.publishAccept(this.#made(), description.sdp ?? '');
    this.remoteDescription = description;
    this.signalingState = 'stable';
  }

  async addIceCandidate(candidate: Exclude<SignalData, { sdp: string }>): Promise<void> {
    if (candidate.candidate !== '') {
      await this.#commands.publishCandidate(this.#made(), candidate.candidate);
    }
  }

  /** Sockets stand at addresses that may be gone: the next offer is for a new connection in the place of this one. */
  restartIce(): void {
    this.#id = null;
  }

  close(): void {
    if (!this.#closed) {
      this.#closed = true;
      this.connectionState = 'closed';
      this.#end();
    }
  }

  async #first(sending: readonly TrackSource[]): Promise<PublishOffer> {
    let named: number | null = null;
    const offer = await this.#commands.publishOffer(sending, (state) => {
      // What comes late of a connection that was given up does not concern the one in its place.
      if (this.#id === named) {
        this.#become(state);
      }
    });
    named = this.#id = offer.connection;
    if (this.#closed) {
      this.#end();
    }
    return offer;
  }

  #made(): number {
    if (this.#id === null) {
      throw new DOMException('there was no offer', 'InvalidStateError');
    }
    return this.#id;
  }

  #end(): void {
    if (this.#id !== null) {
      this.#commands.publishClose(this.#id).catch(() => undefined);
    }
  }

  #become(state: PublishConnectionState): void {
    const next = STATES[state];
    if (!this.#closed && next !== this.connectionState) {
      this.connectionState = next;
      this.onconnectionstatechange?.();
    }
  }
}
