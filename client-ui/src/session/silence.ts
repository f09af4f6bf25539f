/** How often it is looked whether media arrives. */
const LOOK_EVERY_MS = 50;

/**
 * Media that has arrived and then has not for this long makes one ask whether the server can still be reached. Longer than
 * the pauses between packets, and than what retransmission fills; it costs a ping at most.
 */
export const SILENT_AFTER_MS = 250;

/**
 * Notices that media no longer arrives, sooner than the transport: a browser reports an interruption after some five
 * seconds, and somebody who leaves a wireless network has another one at once.
 */
export class SilenceWatch {
  readonly #looking: ReturnType<typeof setInterval>;
  #mark: number | null = null;
  /** Since when the mark is what it is; `null` where the silence was told, or nothing has come yet. */
  #since: number | null = null;

  /**
   * @param arrivals - a mark that changes whenever media has arrived
   * @param silent - called once for each silence
   */
  constructor(arrivals: () => number | null, silent: () => void) {
    this.#looking = setInterval(() => {
      const now = performance.now();
      const mark = arrivals();
      if (mark !== this.#mark) {
        this.#mark = mark;
        this.#since = now;
      } else if (this.#since !== null && now - this.#since >= SILENT_AFTER_MS) {
        this.#since = null;
        silent();
      }
    }, LOOK_EVERY_MS);
  }

  /** Looks no more. */
  stop(): void {
    clearInterval(this.#looking);
  }
}
