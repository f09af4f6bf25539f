import { describe, expect, it } from 'vitest';
import { NOBODY, type SpeakingOrder, frontPlaces, leading, reorder } from './speaking-order';

const SIX = ['a', 'b', 'c', 'd', 'e', 'f'];

/** Looks every half second from `from` to `to`. */
function during(order: SpeakingOrder, from: number, to: number, speaking: string[], present = SIX): SpeakingOrder {
  let after = order;
  for (let now = from; now <= to; now += 500) {
    after = reorder(after, present, speaking, now);
  }
  return after;
}

const START = reorder(NOBODY, SIX, [], 0);

describe('reorder', () => {
  it('takes people as they come, and forgets who left', () => {
    expect(START.keys).toEqual(SIX);
    expect(reorder(START, ['b', 'd', 'new'], [], 10).keys).toEqual(['b', 'd', 'new']);
  });

  it('brings forward who goes on speaking, and moves two tiles for it', () => {
    expect(frontPlaces(6)).toBe(2);
    expect(during(START, 0, 1_000, ['e']).keys, 'a word is not enough').toEqual(SIX);
    expect(during(START, 0, 2_000, ['e']).keys).toEqual(['e', 'b', 'c', 'd', 'a', 'f']);
  });

  it('is not moved by coughs', () => {
    let order = START;
    for (let round = 0; round < 20; round += 1) {
      const at = round * 5_000;
      order = during(order, at, at + 500, ['e']);
      order = during(order, at + 1_000, at + 4_500, []);
    }
    expect(order.keys).toEqual(SIX);
  });

  it('takes a short pause for part of the sentence', () => {
    const paused = during(during(START, 0, 1_000, ['e']), 1_500, 1_500, []);
    expect(reorder(paused, SIX, ['e'], 2_000).keys[0]).toBe('e');
  });

  it('rests after a move, however lively it gets', () => {
    const first = during(START, 0, 2_000, ['e']);
    const lively = during(first, 2_500, 6_000, ['f', 'd']);
    expect(lively.keys).toEqual(first.keys);
    expect(during(lively, 6_500, 7_500, ['f']).keys).not.toEqual(first.keys);
  });

  it('leaves those in front who were heard last', () => {
    const talked = during(during(START, 0, 1_000, ['a']), 1_500, 10_000, []);
    const later = during(talked, 10_500, 12_500, ['f']);
    expect(later.keys, 'b was never heard').toEqual(['a', 'f', 'c', 'd', 'e', 'b']);
  });

  it('comes to rest while more people speak than there are places in front', () => {
    const settled = during(START, 0, 15_000, SIX);
    expect(during(settled, 15_500, 60_000, SIX).keys).toEqual(settled.keys);
    expect(during(settled, 15_500, 60_000, ['f', 'e', 'd', 'a', 'b']).keys, 'whoever is loudest').toEqual(settled.keys);
    const paused = during(settled, 15_500, 18_000, ['f', 'a']);
    expect(paused.keys, 'b is at the end of what they say').toEqual(['a', 'f', 'c', 'd', 'e', 'b']);
  });

  it('does not move who is in front already', () => {
    expect(during(START, 0, 20_000, ['b', 'a']).keys).toEqual(SIX);
  });
});

describe('leading', () => {
  const after = (ms: number, speaking: string[]) => during(START, 0, ms, speaking);

  it('gives the word to who goes on speaking, and not for a cough', () => {
    expect(leading(after(1_000, ['e']), ['e'], 'a', 1_000)).toBe('a');
    expect(leading(after(2_000, ['e']), ['e'], 'a', 2_000)).toBe('e');
  });

  it('leaves it to them while they pause or are talked over', () => {
    const order = after(2_000, ['e', 'a']);
    expect(leading(order, [], 'a', 2_500)).toBe('a');
    expect(leading(order, ['e', 'a'], 'a', 2_500)).toBe('a');
    expect(leading(order, ['e'], 'a', 2_500)).toBe('e');
  });

  it('takes it from who has left', () => {
    const order = reorder(START, ['a', 'b'], [], 10);
    expect(leading(order, [], 'f', 10)).toBeNull();
  });
});
