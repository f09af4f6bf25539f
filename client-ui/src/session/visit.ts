import type { MediaEngine, Subscription, TransportState } from '../media/engine';
import type { ServerMessage, SignalData } from '../protocol/bindings';
import type { OpenSignaling, Signaling } from './signaling';

/** From the offer to a connected transport; longer means that the media port cannot be reached, or the answer is lost. */
const MEDIA_WITHIN_MS = 12_000;

/**
 * How long an interrupted transport may take to mend itself. Browsers report an interruption after some seconds of
 * silence, and recover by themselves from a short one.
 */
const MEND_WITHIN_MS = 4_000;

/** Why a visit is over. */
export type VisitEnd = 'refused' | 'lost';

/** What a visit reports. After `over`, nothing more. */
export interface VisitEvents {
  message(message: ServerMessage): void;
  transport(state: TransportState): void;
  over(end: VisitEnd): void;
}

/**
 * One stay in a session: a signaling connection and the subscription that it sets up, begun and given up together. It
 * never repairs itself; whoever began it begins another.
 */
export class Visit {
  readonly subscription: Subscription;
  readonly #signaling: Signaling;
  readonly #events: VisitEvents;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #connected = false;
  #over = false;

  constructor(sessionId: string, engine: MediaEngine, openSignaling: OpenSignaling, events: VisitEvents) {
    this.#events = events;
    // The offer is made while the signaling connection is being opened: joining costs the longer of the two.
    this.#signaling = openSignaling(sessionId, {
      opened: () => void this.#sendOffer(),
      message: (message) => this.#message(message),
      closed: (wasOpen) => this.#end(wasOpen ? 'lost' : 'refused'),
    });
    this.subscription = engine.subscribe(
      { audio: true, video: true },
      { transport: (state) => this.#transport(state) },
    );
  }

  /** Makes sure, soon, that the server is still there. */
  probe(): void {
    this.#signaling.probe();
  }

  /** Leaves, and reports nothing more. */
  close(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#signaling.close();
    this.subscription.close();
  }

  async #sendOffer(): Promise<void> {
    this.#endAfter(MEDIA_WITHIN_MS);
    try {
      const sdp = await this.subscription.offer;
      this.#signaling.send({
        action: 'webrtc_signal',
        connection: 'subscribe',
        signal_type: 'offer',
        signal_data: { sdp },
      });
    } catch {
      this.#end('lost');
    }
  }

  #message(message: ServerMessage): void {
    if (message.type === 'webrtc_signal' && message.connection === 'subscribe') {
      this.#signal(message.signal_data).catch(() => this.#end('lost'));
    } else if (message.type === 'error' && message.action === 'webrtc_signal') {
      this.#end('lost');
    } else {
      this.#events.message(message);
    }
  }

  async #signal(data: SignalData): Promise<void> {
    if ('sdp' in data) {
      await this.subscription.accept(data.sdp);
    } else {
      await this.subscription.addCandidate(data);
    }
  }

  #transport(state: TransportState): void {
    if (this.#over) {
      return;
    }
    if (state === 'failed') {
      this.#end('lost');
      return;
    }
    if (state === 'connected') {
      this.#connected = true;
      clearTimeout(this.#timer);
    } else if (state === 'interrupted' && this.#connected) {
      this.#endAfter(MEND_WITHIN_MS);
    }
    this.#events.transport(state);
  }

  #endAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end('lost'), ms);
  }

  #end(end: VisitEnd): void {
    if (!this.#over) {
      this.#over = true;
      // Told first: whoever shows the subscription can still take its last picture.
      this.#events.over(end);
      this.close();
    }
  }
}
