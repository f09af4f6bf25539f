/** The part of the document that is needed. */
type Visibility = Pick<Document, 'visibilityState' | 'addEventListener' | 'removeEventListener'>;

/** Keeps the screen awake (W3C Screen Wake Lock), where the browser can. */
export class AwakeScreen {
  readonly #lock: WakeLock | null;
  readonly #document: Visibility;
  #held: WakeLockSentinel | null = null;
  #wanted = false;

  constructor(lock: WakeLock | null, page: Visibility) {
    this.#lock = lock;
    this.#document = page;
  }

  /** From now on, until {@link release}. */
  hold(): void {
    if (this.#wanted) {
      return;
    }
    this.#wanted = true;
    this.#document.addEventListener('visibilitychange', this.#take);
    this.#take();
  }

  /** The screen may sleep again. */
  release(): void {
    this.#wanted = false;
    this.#document.removeEventListener('visibilitychange', this.#take);
    void this.#held?.release().catch(() => undefined);
    this.#held = null;
  }

  /** A page that goes out of sight loses its lock (§5.3), and has to ask again when it is back. */
  readonly #take = (): void => {
    if (this.#wanted && this.#document.visibilityState === 'visible' && (this.#held?.released ?? true)) {
      void this.#request();
    }
  };

  async #request(): Promise<void> {
    try {
      const held = (await this.#lock?.request('screen')) ?? null;
      if (!this.#wanted || (this.#held !== null && !this.#held.released)) {
        await held?.release();
        return;
      }
      this.#held = held;
    } catch {
      // A battery that runs low forbids it; the stream goes on all the same.
    }
  }
}
