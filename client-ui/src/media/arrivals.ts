/** What is asked of an `RTCRtpReceiver`. */
export type Receiver = Pick<RTCRtpReceiver, 'getSynchronizationSources'>;

/**
 * When media last arrived at any of several receivers.
 *
 * Each question has to wait for another thread of the browser, which on a busy machine takes its time, and one answer that is
 * news is enough. Who had news last is asked first: sound has some at each look, however many pictures there are beside it.
 */
export class Arrivals {
  readonly #receivers: Receiver[] = [];
  #newest: number | null = null;

  add(receiver: Receiver): void {
    this.#receivers.push(receiver);
  }

  /** A mark that changes whenever media has arrived; `null` before there was any. */
  mark(): number | null {
    const index = this.#receivers.findIndex((receiver) => this.#hasNews(receiver));
    const [receiver] = index < 0 ? [] : this.#receivers.splice(index, 1);
    if (receiver !== undefined) {
      this.#receivers.unshift(receiver);
    }
    return this.#newest;
  }

  #hasNews(receiver: Receiver): boolean {
    const before = this.#newest;
    for (const { timestamp } of receiver.getSynchronizationSources()) {
      this.#newest = Math.max(timestamp, this.#newest ?? timestamp);
    }
    return this.#newest !== before;
  }
}
