import { liveSessions } from '../api/http';
import type { SessionSummary } from '../protocol/bindings';

/** How often the list is read while somebody looks at it. */
const READ_EVERY_MS = 3_000;

/** Share of the interval that is left to chance, so that pages which opened together do not ask together. */
const JITTER = 0.3;

/** The public sessions that are live, as the server lists them. */
export class LiveSessions {
  /** In the order in which they are shown. */
  sessions = $state.raw<readonly SessionSummary[]>([]);
  status = $state<'loading' | 'ready' | 'unreachable'>('loading');
  #next: ReturnType<typeof setTimeout> | undefined;
  #running = false;

  /** Reads the list again and again, until {@link stop}. */
  start(): void {
    this.#running = true;
    document.addEventListener('visibilitychange', this.#readNow);
    addEventListener('online', this.#readNow);
    this.#readNow();
  }

  /** Reads no more. */
  stop(): void {
    this.#running = false;
    clearTimeout(this.#next);
    document.removeEventListener('visibilitychange', this.#readNow);
    removeEventListener('online', this.#readNow);
  }

  readonly #readNow = (): void => {
    clearTimeout(this.#next);
    if (!document.hidden) {
      void this.#read();
    }
  };

  async #read(): Promise<void> {
    try {
      this.sessions = await liveSessions();
      this.status = 'ready';
    } catch {
      this.status = 'unreachable';
    }
    clearTimeout(this.#next);
    if (this.#running) {
      this.#next = setTimeout(this.#readNow, READ_EVERY_MS * (1 - JITTER / 2 + Math.random() * JITTER));
    }
  }
}
