import type { ClientMessage, ServerMessage } from '../protocol/bindings';
import { parseServerMessage } from '../protocol/parse';

/** How often the server is asked for a sign of life. */
const PING_EVERY_MS = 5_000;

/** After this long without an answer, the connection counts as lost: TCP alone may take minutes to notice. */
const PONG_WITHIN_MS = 6_000;

/** The same for somebody who has just come back to the page and is looking at it. */
const PONG_SOON_MS = 2_000;

/** After this long without a WebSocket, the attempt counts as failed. */
const OPEN_WITHIN_MS = 8_000;

/** What a signaling connection reports. After `closed`, nothing more. */
export interface SignalingEvents {
  opened(): void;
  message(message: ServerMessage): void;
  /** The connection is gone; `wasOpen` is false where the server refused it or could not be reached. */
  closed(wasOpen: boolean): void;
}

/** A connection to a session's WebSocket. */
export interface Signaling {
  /** Sends, where the connection is open. */
  send(message: ClientMessage): void;
  /** Makes sure, soon, that the connection is alive. */
  probe(): void;
  /** Closes, and reports nothing more. */
  close(): void;
}

/** Opens a signaling connection to a session. */
export type OpenSignaling = (sessionId: string, events: SignalingEvents) => Signaling;

/** The WebSocket of `sessionId`, at the server that these pages came from. */
export function signalingUrl(sessionId: string, origin: string, username: string | null): string {
  const url = new URL(`/ws/live/${encodeURIComponent(sessionId)}`, origin);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  if (username !== null) {
    url.searchParams.set('username', username);
  }
  return url.href;
}

/** Signaling over a WebSocket. */
export class SocketSignaling implements Signaling {
  readonly #socket: WebSocket;
  readonly #events: SignalingEvents;
  readonly #pinging: ReturnType<typeof setInterval>;
  #deadline: ReturnType<typeof setTimeout>;
  #wasOpen = false;
  #awaitingPong = false;
  #done = false;

  constructor(url: string, events: SignalingEvents) {
    this.#events = events;
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => {
      this.#wasOpen = true;
      clearTimeout(this.#deadline);
      events.opened();
    };
    this.#socket.onmessage = (event: MessageEvent<unknown>) => {
      this.#heard();
      const message = parseServerMessage(event.data);
      if (message !== null) {
        events.message(message);
      }
    };
    this.#socket.onclose = () => this.#finish();
    this.#deadline = setTimeout(() => this.#finish(), OPEN_WITHIN_MS);
    this.#pinging = setInterval(() => this.#ping(PONG_WITHIN_MS), PING_EVERY_MS);
  }

  send(message: ClientMessage): void {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(message));
    }
  }

  probe(): void {
    this.#awaitingPong = false;
    this.#ping(PONG_SOON_MS);
  }

  close(): void {
    this.#done = true;
    this.#release();
  }

  #ping(withinMs: number): void {
    if (this.#awaitingPong || this.#socket.readyState !== WebSocket.OPEN) {
      return;
    }
    this.#awaitingPong = true;
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#finish(), withinMs);
    this.send({ action: 'ping' });
  }

  #heard(): void {
    this.#awaitingPong = false;
    clearTimeout(this.#deadline);
  }

  #finish(): void {
    if (this.#done) {
      return;
    }
    this.#done = true;
    this.#release();
    this.#events.closed(this.#wasOpen);
  }

  #release(): void {
    clearTimeout(this.#deadline);
    clearInterval(this.#pinging);
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
  }
}
