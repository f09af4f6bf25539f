import type { SignalData, SignalType } from '../protocol/bindings';
import { MAX_EARLY } from './early';

/** The pause after the second connection in a row that did not hold, in milliseconds; it doubles with each. */
const FIRST_PAUSE_MS = 2_000;

/** The longest pause, in milliseconds: whoever's network was broken is met again within this time. */
const LONGEST_PAUSE_MS = 32_000;

/** What somebody said. */
export interface Said {
  readonly type: SignalType;
  readonly data: SignalData;
}

interface Setback {
  /** Connections in a row that did not hold. */
  failures: number;
  /** Runs during a pause. */
  timer: ReturnType<typeof setTimeout> | null;
  /** The newest offer of the pause, first of all, and candidates. */
  missed: Said[];
}

/**
 * Keeps connections that do not hold from following each other at once: each costs an offer and a dozen candidates, which
 * one message of a stranger's could otherwise ask for again and again, until the server takes us for the one who floods.
 */
export class Setbacks {
  readonly #again: (userId: string, missed: readonly Said[]) => void;
  readonly #setbacks = new Map<string, Setback>();

  /** @param again - connects again, and hears what was said during the pause */
  constructor(again: (userId: string, missed: readonly Said[]) => void) {
    this.#again = again;
  }

  /** A connection is lost: another one is made at once after the first, and after a pause from then on. */
  add(userId: string, missed: readonly Said[]): void {
    const setback = this.#setbacks.get(userId) ?? { failures: 0, timer: null, missed: [] };
    this.#setbacks.set(userId, setback);
    setback.failures += 1;
    if (setback.failures === 1) {
      this.#again(userId, missed);
      return;
    }
    setback.missed = [...missed];
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (setback.failures - 2));
    setback.timer = setTimeout(() => {
      setback.timer = null;
      this.#again(userId, setback.missed.splice(0));
    }, pause);
  }

  /** Keeps what is said during a pause; whether there is one. */
  keep(userId: string, said: Said): boolean {
    const setback = this.#setbacks.get(userId);
    if (setback === undefined || setback.timer === null) {
      return false;
    }
    if (said.type === 'offer') {
      setback.missed = [said];
    } else if (said.type === 'ice_candidate' && setback.missed.length < MAX_EARLY) {
      setback.missed.push(said);
    }
    return true;
  }

  /** Whether the next connection waits. */
  isPausing(userId: string): boolean {
    return (this.#setbacks.get(userId)?.timer ?? null) !== null;
  }

  /** A connection held, or there is none to be had: nothing of this counts any more. */
  forget(userId: string): void {
    clearTimeout(this.#setbacks.get(userId)?.timer ?? undefined);
    this.#setbacks.delete(userId);
  }

  /** The mesh is another one, or none. */
  forgetAll(): void {
    [...this.#setbacks.keys()].forEach((userId) => this.forget(userId));
  }
}
