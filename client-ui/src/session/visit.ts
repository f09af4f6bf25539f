import type { MediaEngine, Subscription, TransportState, Wanted } from '../media/engine';
import { RELAY_AFTER_MS, relay } from '../media/relay';
import { withoutSurplus } from '../media/sdp';
import type { ClientMessage, ServerMessage, SignalData } from '../protocol/bindings';
import type { Closure, OpenSignaling, Signaling } from './signaling';
import { SilenceWatch } from './silence';

/** From the offer to a connected transport; longer means that the media port cannot be reached, or the answer is lost. */
const MEDIA_WITHIN_MS = 12_000;

/**
 * How long an interrupted transport may take to mend itself. Browsers report an interruption after some seconds of
 * silence, and recover by themselves from a short one.
 */
const MEND_WITHIN_MS = 4_000;

/** From a later offer to its answer, while media flows. */
const ANSWER_WITHIN_MS = 8_000;

/** One slot of each kind at first: what a stream with one person on the stage needs, without waiting for a word. */
const FIRST_SLOTS: Wanted = { audio: 1, video: 1 };

/**
 * Most slots of one kind, whatever the server says: a host and twenty guests, and eleven screens. An offer of so many of both has
 * to fit into a frame of 64 KiB; the server shows screens before cameras where there are too few.
 */
const MAX_SLOTS = 32;

/** What a visit reports. After `over`, nothing more. */
export interface VisitEvents {
  message(message: ServerMessage): void;
  transport(state: TransportState): void;
  over(end: Closure): void;
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
  #answering: ReturnType<typeof setTimeout> | undefined;
  #detour: ReturnType<typeof setTimeout> | undefined;
  #silence: SilenceWatch | undefined;
  #connected = false;
  /** Whether the relays were brought in after the direct ways had led nowhere. */
  #goesRound = false;
  #over = false;
  /** In a mesh, media does not come from the server: this subscription stays without an answer. */
  #mesh = false;
  /** Whether an offer waits for its answer; there is never a second one at the same time. */
  #offered = false;
  #slots = FIRST_SLOTS;
  #wanted = FIRST_SLOTS;

  constructor(sessionId: string, engine: MediaEngine, openSignaling: OpenSignaling, events: VisitEvents) {
    this.#events = events;
    // The offer is made while the signaling connection is being opened: joining costs the longer of the two.
    this.#signaling = openSignaling(sessionId, {
      opened: () => void this.#sendOffer(),
      message: (message) => this.#message(message),
      closed: (why) => this.#end(why),
    });
    this.subscription = engine.subscribe(FIRST_SLOTS, { transport: (state) => this.#transport(state) });
  }

  /** Sends, where the connection is open; whether it was. */
  send(message: ClientMessage): boolean {
    return !this.#over && this.#signaling.send(message);
  }

  /** Makes sure, soon, that the server is still there. */
  probe(): void {
    this.#signaling.probe();
  }

  /** Leaves, and reports nothing more. */
  close(forGood = false): void {
    this.#over = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#answering);
    clearTimeout(this.#detour);
    this.#silence?.stop();
    this.#signaling.close(forGood);
    this.subscription.close();
  }

  async #sendOffer(): Promise<void> {
    this.#endAfter(MEDIA_WITHIN_MS);
    await this.#offer(this.subscription.offer);
  }

  async #offer(made: Promise<string>): Promise<void> {
    this.#offered = true;
    try {
      const sdp = withoutSurplus(await made);
      this.send({
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
      return;
    }
    const refused = message.type === 'error' && message.action === 'webrtc_signal' && message.connection !== 'publish';
    if (refused && this.#offered && !this.#mesh) {
      this.#end('lost');
      return;
    }
    if (message.type === 'current_participants' && message.topology === 'mesh') {
      this.#mesh = true;
      clearTimeout(this.#timer);
    } else if (message.type === 'current_participants') {
      relay.told(message.ice_servers);
    } else if (message.type === 'slots_wanted') {
      this.#want(message);
    }
    this.#events.message(message);
  }

  #want({ audio, video }: Wanted): void {
    this.#wanted = {
      audio: Math.min(MAX_SLOTS, Math.max(this.#wanted.audio, audio)),
      video: Math.min(MAX_SLOTS, Math.max(this.#wanted.video, video)),
    };
    this.#extend();
  }

  /** Offers more slots, where more are wanted and no offer is out. */
  #extend(): void {
    const enough = this.#wanted.audio <= this.#slots.audio && this.#wanted.video <= this.#slots.video;
    if (enough || this.#offered || this.#over || this.#mesh) {
      return;
    }
    this.#slots = this.#wanted;
    this.#answering = setTimeout(() => this.#end('lost'), ANSWER_WITHIN_MS);
    void this.#offer(this.subscription.extend(this.#slots));
  }

  async #signal(data: SignalData): Promise<void> {
    if ('sdp' in data) {
      await this.subscription.accept(data.sdp);
      clearTimeout(this.#answering);
      this.#offered = false;
      if (!this.#connected) {
        clearTimeout(this.#detour);
        this.#detour = setTimeout(() => this.#goRound(), RELAY_AFTER_MS);
      }
      this.#extend();
    } else {
      await this.subscription.addCandidate(data);
    }
  }

  #transport(state: TransportState): void {
    if (this.#over || this.#mesh) {
      return;
    }
    if (state === 'failed') {
      if (!this.#goRound()) {
        this.#end('lost');
      }
      return;
    }
    if (state === 'connected') {
      this.#connected = true;
      clearTimeout(this.#timer);
      clearTimeout(this.#detour);
      if (this.#goesRound) {
        relay.helped();
      }
      const arrivals = this.subscription.arrivals?.bind(this.subscription);
      if (arrivals !== undefined) {
        this.#silence ??= new SilenceWatch(arrivals, () => this.#signaling.probe(true));
      }
    } else if (state === 'interrupted' && this.#connected) {
      this.#endAfter(MEND_WITHIN_MS);
    }
    this.#events.transport(state);
  }

  /** Brings the relays in, once; whether there are any. Where an offer is out, that follows its answer. */
  #goRound(): boolean {
    const goRound = this.subscription.goRound?.bind(this.subscription);
    if (this.#over || this.#connected || this.#goesRound || this.#offered || !relay.isInReserve || !goRound) {
      return false;
    }
    this.#goesRound = true;
    this.#endAfter(MEDIA_WITHIN_MS);
    void this.#offer(goRound(relay.withAll));
    return true;
  }

  #endAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end('lost'), ms);
  }

  #end(end: Closure): void {
    if (!this.#over) {
      this.#over = true;
      // Told first: whoever shows the subscription can still take its last picture.
      this.#events.over(end);
      this.close();
    }
  }
}
