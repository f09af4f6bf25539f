import type { MediaKind } from '../protocol/bindings';
import { Arrivals } from './arrivals';
import { browserOutputs } from './browser-outputs';
import {
  MEDIA_KINDS,
  type MediaEngine,
  type Subscription,
  type SubscriptionEvents,
  type Surface,
  type TransportState,
  type Wanted,
} from './engine';
import { relay } from './relay';
import { type MediaSample, readStats } from './sample';
import { preferStereo } from './sdp';

/** Browsers without `jitterBufferTarget` may have its older name. */
type ReceiverWithHint = RTCRtpReceiver & { playoutDelayHint?: number | null };

/** The browser's own WebRTC. */
export const browserEngine: MediaEngine = {
  surface: 'video',
  outputs: browserOutputs(),
  get works() {
    return typeof RTCPeerConnection === 'function';
  },
  videoCodecs() {
    const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
    const names = codecs.map((codec) => (codec.mimeType.split('/')[1] ?? '').toUpperCase());
    return Promise.resolve([...new Set(names)]);
  },
  subscribe(wanted, events) {
    return new BrowserSubscription(wanted, events);
  },
};

class BrowserSubscription implements Subscription {
  readonly offer: Promise<string>;
  readonly #connection = new RTCPeerConnection(relay.configuration);
  readonly #slots: RTCRtpTransceiver[] = [];
  readonly #arrivals = new Arrivals();
  readonly #media: MediaStream;

  constructor(wanted: Wanted, events: SubscriptionEvents) {
    this.#addSlots(wanted);
    this.#media = new MediaStream(this.#first().map((slot) => slot.receiver.track));
    this.#connection.onconnectionstatechange = () => {
      const state = transportState(this.#connection.connectionState);
      if (state !== null) {
        events.transport(state);
      }
    };
    this.offer = this.#makeOffer();
    // The offer may fail before anybody waits for it; whoever does still sees the failure.
    this.offer.catch(() => undefined);
  }

  extend(wanted: Wanted): Promise<string> {
    this.#addSlots(wanted);
    return this.#makeOffer();
  }

  async goRound(configuration: RTCConfiguration): Promise<string> {
    this.#connection.setConfiguration(configuration);
    this.#connection.restartIce();
    return this.#makeOffer();
  }

  #addSlots(wanted: Wanted): void {
    for (const kind of MEDIA_KINDS) {
      for (let count = this.#of(kind).length; count < wanted[kind]; count += 1) {
        const slot = this.#connection.addTransceiver(kind, { direction: 'recvonly' });
        playAtOnce(slot.receiver);
        this.#slots.push(slot);
        this.#arrivals.add(slot.receiver);
      }
    }
  }

  #of(kind: MediaKind): RTCRtpTransceiver[] {
    return this.#slots.filter((slot) => slot.receiver.track.kind === kind);
  }

  #first(): RTCRtpTransceiver[] {
    return MEDIA_KINDS.flatMap((kind) => this.#of(kind).slice(0, 1));
  }

  async #makeOffer(): Promise<string> {
    const offer = await this.#connection.createOffer();
    const sdp = preferStereo(offer.sdp ?? '');
    await this.#connection.setLocalDescription({ type: 'offer', sdp });
    // Sent without candidates: the server is ICE-lite and learns ours from our checks (RFC 8445 §7.3.1.3).
    return sdp;
  }

  async accept(answerSdp: string): Promise<void> {
    await this.#connection.setRemoteDescription({ type: 'answer', sdp: answerSdp });
  }

  async addCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    await this.#connection.addIceCandidate(candidate);
  }

  isFirst(mid: string): boolean {
    return this.#first().some((slot) => slot.mid === mid);
  }

  attach(surface: Surface): void {
    if (surface instanceof HTMLVideoElement) {
      surface.srcObject = this.#media;
    }
  }

  attachSlot(element: Surface | HTMLAudioElement, mid: string): void {
    if (!(element instanceof HTMLMediaElement)) {
      return;
    }
    const slot = this.#slots.find((one) => one.mid === mid);
    element.srcObject = slot === undefined ? null : new MediaStream([slot.receiver.track]);
  }

  arrivals(): number | null {
    return this.#arrivals.mark();
  }

  async sample(): Promise<MediaSample | null> {
    const report = await this.#connection.getStats();
    return readStats(statsEntries(report), performance.now());
  }

  close(): void {
    this.#connection.onconnectionstatechange = null;
    this.#connection.close();
  }
}

function statsEntries(report: RTCStatsReport): Map<string, unknown> {
  const entries = new Map<string, unknown>();
  report.forEach((entry: unknown, id: string) => entries.set(id, entry));
  return entries;
}

/** Asks for the smallest jitter buffer that the network allows. */
function playAtOnce(receiver: ReceiverWithHint): void {
  if ('jitterBufferTarget' in receiver) {
    receiver.jitterBufferTarget = 0;
  } else if ('playoutDelayHint' in receiver) {
    (receiver as ReceiverWithHint).playoutDelayHint = 0;
  }
}

function transportState(state: RTCPeerConnectionState): TransportState | null {
  switch (state) {
    case 'connected':
      return 'connected';
    case 'disconnected':
      return 'interrupted';
    case 'failed':
      return 'failed';
    case 'new':
    case 'connecting':
      return 'connecting';
    case 'closed':
      return null;
  }
}
