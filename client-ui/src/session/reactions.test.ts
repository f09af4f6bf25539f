import { describe, expect, it } from 'vitest';
import { MAX_FLOATING, isReaction, sampled } from './reactions';

describe('sampled', () => {
  it('shows each of a few', () => {
    expect(sampled({ '❤️': 2, '👍': 1 }, MAX_FLOATING)).toEqual(['❤️', '❤️', '👍']);
  });

  it('shows some of many, of each kind one at least', () => {
    const shown = sampled({ '❤️': 9_000, '🔥': 900, '😮': 1 }, MAX_FLOATING);
    expect(shown.length).toBeLessThanOrEqual(6);
    expect(new Set(shown)).toEqual(new Set(['❤️', '🔥', '😮']));
    expect(shown.filter((one) => one === '❤️').length).toBeGreaterThan(shown.filter((one) => one === '🔥').length);
  });

  it('shows none where there is no room, or nothing', () => {
    expect(sampled({ '❤️': 9_000 }, 0)).toEqual([]);
    expect(sampled({ '❤️': 9_000 }, -3)).toEqual([]);
    expect(sampled({ '❤️': 0 }, 10)).toEqual([]);
    expect(sampled({}, 10)).toEqual([]);
  });
});

describe('isReaction', () => {
  it('knows the four, in their own spelling', () => {
    expect(isReaction('❤️')).toBe(true);
    expect(isReaction('❤')).toBe(false);
    expect(isReaction('<b>')).toBe(false);
  });
});
