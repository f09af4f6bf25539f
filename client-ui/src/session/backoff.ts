/** How long to wait before trying again. */
export interface BackoffPolicy {
  /** Ceiling of the first wait, in milliseconds; it doubles with each attempt. */
  readonly baseMs: number;
  /** Ceiling of every wait, in milliseconds. */
  readonly capMs: number;
}

/**
 * For somebody who is looking at a picture that stopped. The cap is small because a server that restarts is back within
 * seconds, and the jitter alone already spreads its viewers over that time.
 */
export const VIEWER_BACKOFF: BackoffPolicy = { baseMs: 300, capMs: 4_000 };

/** For a page about a session that does not exist (any more), and may never again. */
export const DORMANT_BACKOFF: BackoffPolicy = { baseMs: 2_000, capMs: 15_000 };

/** No wait is shorter than this, so that a server that refuses at once is not asked in a tight loop. */
export const MIN_WAIT_MS = 50;

/**
 * Exponential backoff with full jitter: uniform between the minimum and a ceiling that doubles.
 *
 * @param attempt - failures so far, from 0
 * @param random - uniform in [0, 1)
 * @returns milliseconds
 */
export function backoff(attempt: number, policy: BackoffPolicy, random: () => number = Math.random): number {
  const ceiling = Math.min(policy.capMs, policy.baseMs * 2 ** attempt);
  return MIN_WAIT_MS + random() * (ceiling - MIN_WAIT_MS);
}
