/** The part of `Storage` that is needed. */
type TabStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

function keyOf(sessionId: string): string {
  return `footlight:host:${sessionId}`;
}

/** The host tokens of this tab. They go with it: whoever opens the browser after us is not the host. */
export class HostTokens {
  readonly #storage: TabStorage | null;
  /** For as long as the page is open, where the browser forbids to store anything. */
  readonly #here = new Map<string, string>();

  /** @param storage - of the tab */
  constructor(storage: TabStorage | null) {
    this.#storage = storage;
  }

  /** The token of a session that this tab hosts; `null` for any other. */
  get(sessionId: string): string | null {
    return this.#here.get(sessionId) ?? this.#storage?.getItem(keyOf(sessionId)) ?? null;
  }

  keep(sessionId: string, token: string): void {
    this.#here.set(sessionId, token);
    try {
      this.#storage?.setItem(keyOf(sessionId), token);
    } catch {
      // A storage that is full: the page must not be loaded again, then.
    }
  }

  forget(sessionId: string): void {
    this.#here.delete(sessionId);
    this.#storage?.removeItem(keyOf(sessionId));
  }
}
