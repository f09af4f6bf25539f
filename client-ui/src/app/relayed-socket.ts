import type { Socket, SocketEvents } from '../server/server';
import type { Failure, SocketEvent } from './bindings';
import type { ServerCommands } from './commands';

/** Frames that may wait for the app; beyond that something is stuck, and the connection counts as lost. */
const MAX_WAITING = 256;

/** A WebSocket that the app holds for this page. */
export class RelayedSocket implements Socket {
  isOpen = false;
  readonly #commands: ServerCommands;
  readonly #events: SocketEvents;
  readonly #report: (failure: Failure) => void;
  /** `null` where it never came to be. */
  readonly #id: Promise<number | null>;
  /** What is asked of the app, one after the other: commands overtake one another. */
  #orders: Promise<void> = Promise.resolve();
  /** Frames that the app has not taken yet. */
  #waiting = 0;
  #taken = 0;
  #acknowledging = false;
  #done = false;

  /**
   * @param path - with its query
   * @param report - hears why the server was not reached
   */
  constructor(commands: ServerCommands, path: string, events: SocketEvents, report: (failure: Failure) => void) {
    this.#commands = commands;
    this.#events = events;
    this.#report = report;
    this.#id = commands
      .openSocket(path, (event) => this.#heard(event))
      .catch(() => {
        this.#finish(undefined);
        return null;
      });
  }

  /** When all that was asked of it so far is done. */
  get settled(): Promise<void> {
    return this.#orders;
  }

  send(text: string): void {
    if (!this.isOpen) {
      return;
    }
    if (this.#waiting >= MAX_WAITING) {
      this.#finish(undefined);
      void this.#abandon();
      return;
    }
    this.#waiting += 1;
    this.#order(async (id) => {
      await this.#commands.sendFrame(id, text);
      this.#waiting -= 1;
    });
  }

  close(code?: number): void {
    if (this.#done) {
      return;
    }
    this.#done = true;
    this.isOpen = false;
    this.#order((id) => this.#commands.closeSocket(id, code ?? null));
  }

  #order(order: (id: number) => Promise<void>): void {
    this.#orders = this.#orders
      .then(() => this.#id)
      .then((id) => (id === null ? undefined : order(id)))
      // It is closed, which the app says by itself.
      .catch(() => undefined);
  }

  /** Closes it without waiting for what is stuck. */
  async #abandon(): Promise<void> {
    const id = await this.#id;
    if (id !== null) {
      await this.#commands.closeSocket(id, null).catch(() => undefined);
    }
  }

  #heard(event: SocketEvent): void {
    switch (event.kind) {
      case 'opened':
        if (!this.#done) {
          this.isOpen = true;
          this.#events.opened();
        }
        break;
      case 'text':
        this.#taken += 1;
        this.#acknowledge();
        if (!this.#done) {
          this.#events.message(event.text);
        }
        break;
      case 'closed':
        if (event.failure !== null) {
          this.#report(event.failure);
        }
        this.#finish(event.code ?? undefined);
    }
  }

  /** What comes in one turn is acknowledged together. */
  #acknowledge(): void {
    if (this.#acknowledging) {
      return;
    }
    this.#acknowledging = true;
    setTimeout(() => {
      this.#acknowledging = false;
      void this.#id.then((id) => {
        if (id !== null) {
          this.#commands.acknowledgeFrames(id, this.#taken).catch(() => undefined);
        }
      });
    });
  }

  #finish(code: number | undefined): void {
    if (this.#done) {
      return;
    }
    this.#done = true;
    this.isOpen = false;
    this.#events.closed(code);
  }
}
