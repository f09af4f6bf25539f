import { admissionAt } from '../api/admission';
import { presenceOf, videoCodecsOnAir } from '../api/http';
import { mediaEngine } from '../media/current';
import type { Subscription } from '../media/engine';
import { type Figures, figuresBetween, remember } from '../media/figures';
import { relay } from '../media/relay';
import type { MediaSample } from '../media/sample';
import type { ServerMessage } from '../protocol/bindings';
import { server } from '../server/current';
import { keepingPlace } from '../session/kept-place';
import type { StageLink } from '../session/link';
import { Listeners } from '../session/listeners';
import { type Facts, type Phase, isOver } from '../session/phase';
import { Place } from '../session/resume';
import { UNKNOWN_ROOM, type Room } from '../session/room';
import { SocketSignaling, signalingUrl } from '../session/signaling';
import { WatchConnection } from '../session/watch-connection';
import { Wishes } from '../stage/wishes';
import { displayName } from './display-name.svelte';
import { tabStorage } from './storage';

/** Counters closer together than this give rates that jump about. */
const FIGURES_EVERY_MS = 950;

/** Whoever takes another name is in again by then, or has to try anew. */
const RENAMED_WITHIN_MS = 10_000;

/** Who comes in. */
export interface WatchOptions {
  /** Signed by the server; it names the person and the role. */
  readonly token?: string | null;
  /** Where the person's own display name is not the one to be used. */
  readonly username?: string | null;
  /** Whether `token` is the one that the session was made with. */
  readonly hosts?: boolean;
}

/** One session, as the watch page shows it. */
export class Watch {
  readonly sessionId: string;
  phase = $state<Phase>('connecting');
  facts = $state.raw<Facts | null>(null);
  room = $state.raw<Room>(UNKNOWN_ROOM);
  subscription = $state.raw<Subscription | null>(null);
  /** The last minute, oldest first. */
  history = $state.raw<readonly Figures[]>([]);
  /** Whether this person's time in the session is over. */
  over = $derived(this.facts !== null && isOver(this.facts));
  /** Whether this person is in the session, be it that the connection is being restored. */
  present = $derived(this.room.you !== null && !this.over);
  figures = $derived(this.history.at(-1) ?? null);
  /** Whether this person can still choose a name: a token has one in it. */
  readonly nameIsFree: boolean;
  /** The way to the server for whoever publishes, chats or moderates. */
  readonly link: StageLink = {
    send: (message) => this.#connection?.send(message) ?? false,
    listen: (listener) => this.#listeners.add(listener),
    videoCodecsOnAir: () => videoCodecsOnAir(this.sessionId),
  };
  readonly #token: string | null;
  readonly #hosts: boolean;
  #username: string | null;
  readonly #place: Place;
  readonly #listeners = new Listeners<ServerMessage>();
  readonly #releasing = new Listeners<void>();
  #connection: WatchConnection | null = null;
  #sample: MediaSample | null = null;
  #wishes = new Wishes();
  #wishesOf: Subscription | null = null;

  constructor(sessionId: string, { token = null, username = null, hosts = false }: WatchOptions = {}) {
    this.sessionId = sessionId;
    this.#token = token;
    this.#hosts = hosts;
    this.#username = username;
    this.nameIsFree = token === null;
    this.#place = new Place(sessionId, tabStorage());
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
    // A page with open connections cannot be kept by the browser for "back"; one without them returns at once. The
    // place is kept, for a page that is only loaded again.
    const hidden = () => this.#close(false);
    const shown = (event: PageTransitionEvent) => {
      if (event.persisted) {
        this.#open();
      }
    };
    document.addEventListener('visibilitychange', returned);
    const online = () => {
      relay.networkChanged();
      nudge();
    };
    addEventListener('online', online);
    addEventListener('offline', nudge);
    addEventListener('pagehide', hidden);
    addEventListener('pageshow', shown);
    return () => {
      document.removeEventListener('visibilitychange', returned);
      removeEventListener('online', online);
      removeEventListener('offline', nudge);
      removeEventListener('pagehide', hidden);
      removeEventListener('pageshow', shown);
      this.#close(true);
    };
  }

  /** Calls back while the subscription that is shown can still be painted, right before it is closed. */
  onRelease(callback: () => void): () => void {
    return this.#releasing.add(callback);
  }

  /**
   * Comes in anew under another name; the wire has no other way to change it.
   *
   * @returns whether one is in again, as soon as that is known
   */
  rename(name: string): Promise<boolean> {
    displayName.set(name);
    this.#username = null;
    const within = new Promise<boolean>((resolve) => {
      const settle = (entered: boolean) => {
        clearTimeout(giveUp);
        stopListening();
        resolve(entered);
      };
      const giveUp = setTimeout(() => settle(false), RENAMED_WITHIN_MS);
      const stopListening = this.link.listen((message) => {
        if (message.type === 'current_participants') {
          settle(true);
        }
      });
    });
    this.#connection?.enterAnew();
    return within;
  }

  /**
   * Says what height of picture the slots of the subscription are shown in, where that is news to the server.
   *
   * @param first - the slot that goes before the others
   */
  wish(heights: ReadonlyMap<string, number>, first: string | null): void {
    if (this.subscription !== this.#wishesOf) {
      this.#wishesOf = this.subscription;
      this.#wishes = new Wishes();
    }
    const isSeen = heights.size === 0 || [...heights.values()].some((height) => height > 0);
    this.#connection?.expectPictures(isSeen);
    if (this.subscription !== null) {
      this.#wishes.news(heights, first).forEach((message) => this.link.send(message));
    }
  }

  /** Tries to come in at once, where this page waits with it. */
  tryAgain(): void {
    this.#connection?.nudge();
  }

  /** The element that shows the subscription has presented a frame. */
  framePresented(): void {
    this.#connection?.framePresented();
  }

  #open(): void {
    const open = keepingPlace((id, events) => new SocketSignaling(this.#addressOf(id), events), this.#place, Date.now);
    this.#connection ??= new WatchConnection(
      this.sessionId,
      {
        engine: mediaEngine(),
        openSignaling: open,
        hosts: this.#hosts,
        presenceOf,
        admissionTo: (id) => admissionAt(this.#addressOf(id)),
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
        message: (message) => this.#listeners.tell(message),
        subscription: (subscription) => {
          if (subscription === null) {
            this.#releasing.tell();
          }
          this.subscription = subscription;
          this.#sample = null;
        },
        sample: (sample) => this.#measure(sample),
      },
    );
  }

  #close(forGood: boolean): void {
    this.#connection?.close(forGood);
    this.#connection = null;
  }

  /** Of the signaling, with who we are. */
  #addressOf(sessionId: string): string {
    return signalingUrl(sessionId, server().origin, {
      token: this.#token,
      username: this.#username ?? displayName.chosen,
      resumeToken: this.#place.token(Date.now()),
      title: this.#hosts && this.room.title !== '' ? this.room.title : null,
    });
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
