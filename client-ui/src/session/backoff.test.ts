import { describe, expect, it } from 'vitest';
import { MIN_WAIT_MS, VIEWER_BACKOFF, backoff } from './backoff';

describe('backoff', () => {
  it('doubles its ceiling with each attempt up to the cap', () => {
    const longest = (attempt: number) => backoff(attempt, { baseMs: 100, capMs: 1_000 }, () => 1);
    expect([0, 1, 2, 3, 4, 50].map(longest)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  it('draws from the whole range below the ceiling', () => {
    expect(backoff(3, VIEWER_BACKOFF, () => 0)).toBe(MIN_WAIT_MS);
    expect(backoff(3, VIEWER_BACKOFF, () => 0.5)).toBe(MIN_WAIT_MS + (2_400 - MIN_WAIT_MS) / 2);
  });

  it('stays finite after days of failures', () => {
    expect(backoff(5_000, VIEWER_BACKOFF, () => 1)).toBe(VIEWER_BACKOFF.capMs);
  });
});
