import type { ClientMessage, ServerMessage } from '../protocol/bindings';
import { parseServerMessage } from '../protocol/parse';
import { server } from '../server/current';
import type { Socket } from '../server/server';

/** How often the server is asked for a sign of life. */
const PING_EVERY_MS = 5_000;

/**
 * How soon it is asked for the first time: while a page loads, opening takes longer than the network does, and how long that
 * takes has to be known before it is gone.
 */
const FIRST_PING_MS = 1_000;

/** After this long without an answer, the connection counts as lost: TCP alone may take minutes to notice. */
const PONG_WITHIN_MS = 6_000;

/** The same for somebody who has just come back to the page and is looking at it. */
const PONG_SOON_MS = 2_000;

/** The same at least where media has stopped as well, which both tell of a network that is gone. */
const PONG_AT_ONCE_MS = 400;

/** And so many times what the last answer took, so that a slow network is not taken for none. */
const PONG_MARGIN = 4;

/** After this long without a WebSocket, the attempt counts as failed. */
const OPEN_WITHIN_MS = 8_000;

/** A newer connection of the same person has taken the place of this one: the server's own close code. */
export const CLOSED_REPLACED = 4001;

/** The person was sent away: the server's own close code. */
export const CLOSED_EXPELLED = 4003;

/** The page leaves for good: nobody needs to keep its place (RFC 6455 §7.4.1). */
const CLOSE_NORMAL = 1000;

/**
 * Tells the server that this page comes back by another connection, should it be heard by this one after all: it keeps the
 * place, as for any connection that is lost.
 */
const CLOSE_COMING_BACK = 4004;

/** Why a signaling connection is gone. */
export type Closure =
  /** The server refused it, or could not be reached. */
  | 'refused'
  /** It was open, and may be opened again. */
  | 'lost'
  /** See {@link CLOSED_REPLACED}. */
  | 'replaced'
  /** See {@link CLOSED_EXPELLED}. */
  | 'expelled';

/** What a signaling connection reports. After `closed`, nothing more. */
export interface SignalingEvents {
  opened(): void;
  message(message: ServerMessage): void;
  closed(why: Closure): void;
}

/** A connection to a session's WebSocket. */
export interface Signaling {
  /** Sends, where the connection is open; whether it was. */
  send(message: ClientMessage): boolean;
  /**
   * Makes sure, soon, that the connection is alive.
   *
   * @param atOnce - whether there are other signs that it is not
   */
  probe(atOnce?: boolean): void;
  /**
   * Closes, and reports nothing more.
   *
   * @param forGood - whether the place in the session can be given up at once
   */
  close(forGood?: boolean): void;
}

/** Opens a signaling connection to a session. */
export type OpenSignaling = (sessionId: string, events: SignalingEvents) => Signaling;

/** Who comes in. */
export interface Credentials {
  /** Signed by the server; `null` where the session is open to all. */
  readonly token: string | null;
  readonly username: string | null;
  /** Of the connection that was lost. */
  readonly resumeToken: string | null;
  /** Of the session, for the host who brings it back to a server that has lost it. */
  readonly title: string | null;
}

/** The WebSocket of `sessionId`, at the server of `origin`. */
export function signalingUrl(sessionId: string, origin: string, credentials: Credentials): string {
  const url = new URL(`/ws/live/${encodeURIComponent(sessionId)}`, origin);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const { token, username, resumeToken, title } = credentials;
  for (const [name, value] of Object.entries({ token, username, resume_token: resumeToken, title })) {
    if (value !== null) {
      url.searchParams.set(name, value);
    }
  }
  return url.href;
}

/** Signaling over a WebSocket. */
export class SocketSignaling implements Signaling {
  readonly #socket: Socket;
  readonly #events: SignalingEvents;
  readonly #pinging: ReturnType<typeof setInterval>;
  #firstPing: ReturnType<typeof setTimeout> | undefined;
  #deadline: ReturnType<typeof setTimeout>;
  #wasOpen = false;
  #awaitingPong = false;
  /** When an answer was last asked for; at first that is the WebSocket itself. */
  #askedAt = performance.now();
  /** What the last answer took, in milliseconds; at first the handshakes, which are a few round trips. */
  #roundTripMs = 0;
  #done = false;

  constructor(url: string, events: SignalingEvents) {
    this.#events = events;
    this.#socket = server().openSocket(url, {
      opened: () => {
        this.#wasOpen = true;
        this.#answered();
        clearTimeout(this.#deadline);
        this.#firstPing = setTimeout(() => this.#ping(PONG_WITHIN_MS), FIRST_PING_MS);
        events.opened();
      },
      message: (data) => {
        this.#heard();
        const message = parseServerMessage(data);
        if (message?.type === 'pong') {
          this.#answered();
        }
        if (message !== null) {
          events.message(message);
        }
      },
      closed: (code) => this.#finish(code),
    });
    this.#deadline = setTimeout(() => this.#finish(), OPEN_WITHIN_MS);
    this.#pinging = setInterval(() => this.#ping(PONG_WITHIN_MS), PING_EVERY_MS);
  }

  send(message: ClientMessage): boolean {
    if (!this.#socket.isOpen) {
      return false;
    }
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  probe(atOnce = false): void {
    this.#awaitingPong = false;
    this.#ping(atOnce ? Math.max(PONG_AT_ONCE_MS, PONG_MARGIN * this.#roundTripMs) : PONG_SOON_MS);
  }

  close(forGood = false): void {
    this.#done = true;
    this.#release(forGood ? CLOSE_NORMAL : CLOSE_COMING_BACK);
  }

  #ping(withinMs: number): void {
    if (this.#awaitingPong || !this.#socket.isOpen) {
      return;
    }
    this.#awaitingPong = true;
    this.#askedAt = performance.now();
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#finish(), withinMs);
    this.send({ action: 'ping' });
  }

  #answered(): void {
    this.#roundTripMs = performance.now() - this.#askedAt;
  }

  #heard(): void {
    this.#awaitingPong = false;
    clearTimeout(this.#deadline);
  }

  #finish(code?: number): void {
    if (this.#done) {
      return;
    }
    this.#done = true;
    this.#release(CLOSE_COMING_BACK);
    this.#events.closed(closureOf(this.#wasOpen, code));
  }

  #release(code: number): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#firstPing);
    clearInterval(this.#pinging);
    this.#socket.close(code);
  }
}

function closureOf(wasOpen: boolean, code: number | undefined): Closure {
  switch (code) {
    case CLOSED_REPLACED:
      return 'replaced';
    case CLOSED_EXPELLED:
      return 'expelled';
    default:
      return wasOpen ? 'lost' : 'refused';
  }
}
