import { presenceOf, videoCodecsOnAir } from '../api/http';
import { engine } from '../media/current';
import type { Subscription } from '../media/engine';
import { type Figures, figuresBetween, remember } from '../media/figures';
import type { MediaSample } from '../media/sample';
import type { Facts, Phase } from '../session/phase';
import { UNKNOWN_ROOM, type Room } from '../session/room';
import { SocketSignaling, signalingUrl } from '../session/signaling';
import { WatchConnection } from '../session/watch-connection';

/** Counters closer together than this give rates that jump about. */
const FIGURES_EVERY_MS = 950;

/** One session, as the watch page shows it. */
export class Watch {
  readonly sessionId: string;
  phase = $state<Phase>('connecting');
  facts = $state.raw<Facts | null>(null);
  room = $state.raw<Room>(UNKNOWN_ROOM);
  subscription = $state.raw<Subscription | null>(null);
  /** The last minute, oldest first. */
  history = $state.raw<readonly Figures[]>([]);
  figures = $derived(this.history.at(-1) ?? null);
  /** Called while the subscription that is shown can still be painted, right before it is closed. */
  beforeRelease: () => void = () => undefined;
  #connection: WatchConnection | null = null;
  #sample: MediaSample | null = null;

  constructor(sessionId: string) {
    this.sessionId = sessionId;
  }

  /** Watches until the page is left. Returns what ends it. */
  start(): () => void {
    this.#open();
    const nudge = () => this.#connection?.nudge();
    const returned = () => {
      if (!document.hidden) {
        nudge();
      }
    };
    // A page with open connections cannot be kept by the browser for "back"; one without them returns at once.
    const hidden = () => this.#close();
    const shown = (event: PageTransitionEvent) => {
      if (event.persisted) {
        this.#open();
      }
    };
    document.addEventListener('visibilitychange', returned);
    addEventListener('online', nudge);
    addEventListener('offline', nudge);
    addEventListener('pagehide', hidden);
    addEventListener('pageshow', shown);
    return () => {
      document.removeEventListener('visibilitychange', returned);
      removeEventListener('online', nudge);
      removeEventListener('offline', nudge);
      removeEventListener('pagehide', hidden);
      removeEventListener('pageshow', shown);
      this.#close();
    };
  }

  /** The element that shows the subscription has presented a frame. */
  framePresented(): void {
    this.#connection?.framePresented();
  }

  #open(): void {
    const username = new URLSearchParams(location.search).get('username');
    this.#connection ??= new WatchConnection(
      this.sessionId,
      {
        engine,
        openSignaling: (id, events) => new SocketSignaling(signalingUrl(id, location.origin, username), events),
        presenceOf,
        videoCodecsOnAir,
        isOnline: () => navigator.onLine,
        random: Math.random,
      },
      {
        phase: (phase, facts) => {
          this.phase = phase;
          this.facts = facts;
        },
        room: (room) => (this.room = room),
        subscription: (subscription) => {
          if (subscription === null) {
            this.beforeRelease();
          }
          this.subscription = subscription;
          this.#sample = null;
        },
        sample: (sample) => this.#measure(sample),
      },
    );
  }

  #close(): void {
    this.#connection?.close();
    this.#connection = null;
  }

  #measure(sample: MediaSample): void {
    if (this.#sample !== null && sample.atMs - this.#sample.atMs < FIGURES_EVERY_MS) {
      return;
    }
    const figures = this.#sample === null ? null : figuresBetween(this.#sample, sample);
    this.#sample = sample;
    if (figures !== null) {
      this.history = remember(this.history, figures);
    }
  }
}
