import type { RoomLink } from '../session/link';
import { toastWords } from '../text/toast-words';
import { elsewhere } from './elsewhere';

/** Most that are shown; a page that says more at a time is not read. */
export const MAX_TOASTS = 4;

/** How long one stays, in milliseconds. */
const STAYS_MS = 7_000;

/** One thing that happened to this person. */
export interface Toast {
  readonly id: number;
  readonly words: string;
}

/** What has just happened to this person. */
export class Toasts {
  list = $state.raw<readonly Toast[]>([]);
  #next = 0;
  #timers: Record<number, ReturnType<typeof setTimeout>> = {};

  /**
   * Follows a session. Returns what ends it.
   *
   * @param hosting - whether this person is the host now
   */
  follow(link: RoomLink, hosting: () => boolean): () => void {
    const stop = link.listen((message) => {
      const words = toastWords(message, hosting());
      if (words !== null) {
        this.say(words);
        elsewhere.tell(words);
      }
    });
    return () => {
      stop();
      Object.values(this.#timers).forEach((timer) => clearTimeout(timer));
      this.#timers = {};
    };
  }

  /** Says something; the same words are not said twice at a time. */
  say(words: string): void {
    const same = this.list.find((toast) => toast.words === words);
    if (same !== undefined) {
      this.release(same.id);
      return;
    }
    this.#next += 1;
    const toast = { id: this.#next, words };
    const surplus = this.list.slice(0, Math.max(0, this.list.length + 1 - MAX_TOASTS));
    surplus.forEach((one) => this.dismiss(one.id));
    this.list = [...this.list, toast];
    this.release(toast.id);
  }

  /** Somebody is reading it: it stays. */
  hold(id: number): void {
    clearTimeout(this.#timers[id]);
  }

  /** It goes by itself after a while. */
  release(id: number): void {
    this.hold(id);
    this.#timers[id] = setTimeout(() => this.dismiss(id), STAYS_MS);
  }

  /** It goes now. */
  dismiss(id: number): void {
    this.hold(id);
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}
