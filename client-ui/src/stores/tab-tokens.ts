/** The part of `Storage` that is needed. */
type TabStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/**
 * What the tokens are good for. `host`: those that sessions were made with, by session. `invitation`: those that were in
 * links, by the address that they were for.
 */
type Purpose = 'host' | 'invitation';

/** The tokens of this tab. They go with it: whoever opens the browser after us is neither the host nor invited. */
export class TabTokens {
  readonly #purpose: Purpose;
  readonly #storage: TabStorage | null;
  /** For as long as the page is open, where the browser forbids to store anything. */
  readonly #here = new Map<string, string>();

  /** @param storage - of the tab */
  constructor(purpose: Purpose, storage: TabStorage | null) {
    this.#purpose = purpose;
    this.#storage = storage;
  }

  /** The token that was kept for `name`; `null` where there is none. */
  get(name: string): string | null {
    return this.#here.get(name) ?? this.#storage?.getItem(this.#keyOf(name)) ?? null;
  }

  keep(name: string, token: string): void {
    this.#here.set(name, token);
    try {
      this.#storage?.setItem(this.#keyOf(name), token);
    } catch {
      // A storage that is full: the page must not be loaded again, then.
    }
  }

  forget(name: string): void {
    this.#here.delete(name);
    this.#storage?.removeItem(this.#keyOf(name));
  }

  #keyOf(name: string): string {
    return `footlight:${this.#purpose}:${name}`;
  }
}
