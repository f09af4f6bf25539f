/** Those who want to hear of something, in the order in which they came. */
export class Listeners<T> {
  #list: readonly ((value: T) => void)[] = [];

  /** Hears from now on. Returns what ends it. */
  add(listener: (value: T) => void): () => void {
    // Wrapped, so that somebody who listens twice is heard twice and leaves once at a time.
    const entry = (value: T) => listener(value);
    this.#list = [...this.#list, entry];
    return () => {
      this.#list = this.#list.filter((one) => one !== entry);
    };
  }

  /** Tells everybody who listens now; who is added meanwhile hears the next one. */
  tell(value: T): void {
    this.#list.forEach((listener) => listener(value));
  }
}
