import { lastingStorage } from './storage';

const STORED = 'footlight.name';

/** Longest display name, in characters; the server cuts what follows. */
export const MAX_NAME_CHARS = 40;

/** What this person wants to be called, in every session. */
class DisplayName {
  /** `null`: never asked. Empty: asked, and left open. */
  #name = $state<string | null>(lastingStorage()?.getItem(STORED) ?? null);

  /** Whether the question has been put. */
  get asked(): boolean {
    return this.#name !== null;
  }

  /** The name; `null` for none. */
  get chosen(): string | null {
    return this.#name === '' ? null : this.#name;
  }

  /** @param name - blank to be anonymous */
  set(name: string): void {
    this.#name = [...name.trim()].slice(0, MAX_NAME_CHARS).join('').trim();
    try {
      lastingStorage()?.setItem(STORED, this.#name);
    } catch {
      // Storage that is full: forgotten with the page, then.
    }
  }
}

export const displayName = new DisplayName();
