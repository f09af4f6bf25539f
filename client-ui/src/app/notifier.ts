/** How long nothing more is shown after a notification, in milliseconds: a crowd of requests must not fill the desktop. */
export const GAP_MS = 5_000;

/** Shows notifications, with a gap between any two. Of what comes within a gap, the last is shown at its end. */
export class Notifier {
  readonly #show: (words: string) => void;
  #waiting: string | null = null;
  #gap: ReturnType<typeof setTimeout> | null = null;

  constructor(show: (words: string) => void) {
    this.#show = show;
  }

  readonly tell = (words: string): void => {
    if (this.#gap !== null) {
      this.#waiting = words;
      return;
    }
    this.#show(words);
    this.#gap = setTimeout(() => {
      this.#gap = null;
      const last = this.#waiting;
      this.#waiting = null;
      if (last !== null) {
        this.tell(last);
      }
    }, GAP_MS);
  };
}
