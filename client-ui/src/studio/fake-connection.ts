/** The part of a browser's `RTCPeerConnection` that these tests drive, with the rules that negotiation depends on. */
export class FakeConnection {
  static made = 0;
  connectionState: RTCPeerConnectionState = 'new';
  signalingState: RTCSignalingState = 'stable';
  localDescription: RTCSessionDescriptionInit | null = null;
  remoteDescription: RTCSessionDescriptionInit | null = null;
  onconnectionstatechange: (() => void) | null = null;
  onnegotiationneeded: (() => void) | null = null;
  onicecandidate: ((event: { candidate: RTCIceCandidate | null }) => void) | null = null;
  ontrack: ((event: { streams: MediaStream[]; transceiver: { mid: string | null } }) => void) | null = null;
  readonly transceivers: FakeTransceiver[] = [];
  readonly candidates: RTCIceCandidateInit[] = [];
  readonly configurations: RTCConfiguration[] = [];
  restarts = 0;
  offers = 0;
  /** Of the newest descriptions only: a browser counts them as well. */
  rollbacks = 0;
  /** Layers that this browser is able to send. */
  layers = 3;
  readonly id = (FakeConnection.made += 1);

  /** What a peer connection is used as. */
  get rtc(): RTCPeerConnection {
    return this as unknown as RTCPeerConnection;
  }

  get closed(): boolean {
    return this.connectionState === 'closed';
  }

  addTransceiver(track: MediaStreamTrack, init: RTCRtpTransceiverInit): FakeTransceiver {
    const transceiver = new FakeTransceiver(track, init, this.layers);
    this.transceivers.push(transceiver);
    this.#needNegotiation();
    return transceiver;
  }

  setConfiguration(configuration: RTCConfiguration): void {
    this.configurations.push(configuration);
  }

  restartIce(): void {
    this.restarts += 1;
    this.#needNegotiation();
  }

  setLocalDescription(): Promise<void> {
    const type = this.signalingState === 'have-remote-offer' ? 'answer' : 'offer';
    if (type === 'offer') {
      this.offers += 1;
      this.signalingState = 'have-local-offer';
      this.transceivers.forEach((transceiver, index) => (transceiver.mid ??= String(index)));
    } else {
      this.signalingState = 'stable';
    }
    this.localDescription = { type, sdp: this.sdp(`${type} ${this.offers}, restarts ${this.restarts}`) };
    return Promise.resolve();
  }

  setRemoteDescription({ type, sdp = '' }: RTCSessionDescriptionInit): Promise<void> {
    if (sdp.includes('nonsense')) {
      return Promise.reject(new DOMException('', 'OperationError'));
    }
    if (type === 'answer' && this.signalingState !== 'have-local-offer') {
      return Promise.reject(new DOMException('', 'InvalidStateError'));
    }
    this.rollbacks += type === 'offer' && this.signalingState === 'have-local-offer' ? 1 : 0;
    this.signalingState = type === 'offer' ? 'have-remote-offer' : 'stable';
    this.remoteDescription = { type, sdp };
    return Promise.resolve();
  }

  addIceCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    if (this.remoteDescription === null) {
      return Promise.reject(new DOMException('', 'InvalidStateError'));
    }
    this.candidates.push(candidate);
    return Promise.resolve();
  }

  close(): void {
    this.connectionState = 'closed';
  }

  /** The network does this to it. */
  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  sdp(words: string): string {
    const head = `v=0\r\ns=${words}\r\na=fingerprint:sha-256 ${this.id.toString(16).padStart(2, '0')}:AA\r\n`;
    return this.transceivers.reduce((sdp, { mid, kind }) => `${sdp}m=${kind}\r\na=mid:${mid}\r\n`, head);
  }

  #needNegotiation(): void {
    queueMicrotask(() => {
      if (!this.closed && this.signalingState === 'stable') {
        this.onnegotiationneeded?.();
      }
    });
  }
}

/** Its transceiver. */
export class FakeTransceiver {
  mid: string | null = null;
  preferred: string[] = [];
  direction: RTCRtpTransceiverDirection;
  readonly kind: string;
  readonly sender: FakeSender;
  readonly streams: readonly MediaStream[];

  constructor(track: MediaStreamTrack, init: RTCRtpTransceiverInit, layers: number) {
    this.kind = track.kind;
    this.direction = init.direction ?? 'sendrecv';
    this.streams = init.streams ?? [];
    this.sender = new FakeSender(track, (init.sendEncodings ?? [{}]).slice(-layers));
  }

  setCodecPreferences(codecs: readonly { mimeType: string }[]): void {
    this.preferred = codecs.map(({ mimeType }) => mimeType);
  }
}

class FakeSender {
  track: MediaStreamTrack | null;
  encodings: RTCRtpEncodingParameters[];
  /** Whether the next track would need another offer. */
  stubborn = false;

  constructor(track: MediaStreamTrack, encodings: RTCRtpEncodingParameters[]) {
    this.track = track;
    this.encodings = encodings;
  }

  replaceTrack(track: MediaStreamTrack | null): Promise<void> {
    if (this.stubborn) {
      return Promise.reject(new DOMException('', 'InvalidModificationError'));
    }
    this.track = track;
    return Promise.resolve();
  }

  getParameters(): { encodings: RTCRtpEncodingParameters[] } {
    return { encodings: this.encodings.map((encoding) => ({ ...encoding })) };
  }

  setParameters({ encodings }: { encodings: RTCRtpEncodingParameters[] }): Promise<void> {
    this.encodings = encodings;
    return Promise.resolve();
  }
}

/** A track that is told from others by its name. */
export function fakeTrack(kind: 'audio' | 'video', id: string = kind): MediaStreamTrack {
  return { kind, id, enabled: true } as unknown as MediaStreamTrack;
}
