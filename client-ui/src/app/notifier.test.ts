import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { GAP_MS, Notifier } from './notifier';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

it('shows the first at once, and the last of a crowd after the gap', () => {
  const shown: string[] = [];
  const notifier = new Notifier((words) => shown.push(words));
  ['Ada asks', 'Bea asks', 'Cem asks'].forEach(notifier.tell);
  expect(shown).toEqual(['Ada asks']);
  vi.advanceTimersByTime(GAP_MS);
  expect(shown).toEqual(['Ada asks', 'Cem asks']);
  vi.advanceTimersByTime(GAP_MS);
  notifier.tell('Dan asks');
  expect(shown).toEqual(['Ada asks', 'Cem asks', 'Dan asks']);
});
