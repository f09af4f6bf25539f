/** How long after its loss a place in a session is kept, in milliseconds; the protocol's limit. */
export const RESUME_WITHIN_MS = 30_000;

/** The part of `Storage` that is needed. */
export type PlaceStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

function keyOf(sessionId: string): string {
  return `footlight:resume:${sessionId}`;
}

/**
 * The way back to one's place in a session after the connection was lost, or the page was loaded again.
 *
 * The token lies in the tab's storage only while no page of the tab is connected: a tab that is duplicated takes its
 * storage along, and two pages with one token would throw each other out.
 */
export class Place {
  readonly #sessionId: string;
  readonly #storage: PlaceStorage | null;
  #token: string | null = null;
  #lostAt: number | null = null;

  /** @param storage - of the tab; `null` where the browser forbids it */
  constructor(sessionId: string, storage: PlaceStorage | null) {
    this.#sessionId = sessionId;
    this.#storage = storage;
    this.#recall();
  }

  /** The server gave a token: the connection stands. */
  taken(token: string): void {
    this.#token = token;
    this.#lostAt = null;
    this.#storage?.removeItem(keyOf(this.#sessionId));
  }

  /**
   * The connection is gone. Said again, the first loss counts.
   *
   * @param now - in milliseconds since 1970
   */
  lost(now: number): void {
    if (this.#token === null) {
      return;
    }
    this.#lostAt ??= now;
    this.#storage?.setItem(keyOf(this.#sessionId), JSON.stringify({ token: this.#token, lostAt: this.#lostAt }));
  }

  /** The place is given up. */
  left(): void {
    this.#token = null;
    this.#lostAt = null;
    this.#storage?.removeItem(keyOf(this.#sessionId));
  }

  /**
   * What brings one back; `null` where there is no way back.
   *
   * @param now - in milliseconds since 1970
   */
  token(now: number): string | null {
    const late = this.#lostAt !== null && Math.abs(now - this.#lostAt) > RESUME_WITHIN_MS;
    return late ? null : this.#token;
  }

  #recall(): void {
    try {
      const stored: unknown = JSON.parse(this.#storage?.getItem(keyOf(this.#sessionId)) ?? 'null');
      this.#storage?.removeItem(keyOf(this.#sessionId));
      if (typeof stored === 'object' && stored !== null && 'token' in stored && 'lostAt' in stored) {
        this.#token = typeof stored.token === 'string' ? stored.token : null;
        this.#lostAt = typeof stored.lostAt === 'number' ? stored.lostAt : null;
      }
    } catch {
      // What another version wrote is of no use.
    }
  }
}
