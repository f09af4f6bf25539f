import { describe, expect, it } from 'vitest';
import { Wishes, heightFor } from './wishes';

describe('heightFor', () => {
  it.each([
    [null, 1, 0],
    [0, 2, 0],
    [88, 1, 90],
    [181, 1, 270],
    [360, 1, 360],
    [360, 1.5, 540],
    [900, 3, 2700],
  ])('of a tile %s pixels high at ratio %s is %s', (height, ratio, expected) => {
    expect(heightFor(height === null ? null : { height }, ratio)).toBe(expected);
  });
});

describe('Wishes', () => {
  it('tell what has changed, once', () => {
    const wishes = new Wishes();
    const heights = new Map([
      ['1', 360],
      ['2', 0],
    ]);
    expect(wishes.news(heights, '1')).toEqual([
      { action: 'slot', mid: '1', height: 360, priority: 1 },
      { action: 'slot', mid: '2', height: 0, priority: 0 },
    ]);
    expect(wishes.news(heights, '1')).toEqual([]);
    expect(wishes.news(new Map([...heights, ['2', 180]]), '1')).toEqual([
      { action: 'slot', mid: '2', height: 180, priority: 0 },
    ]);
    expect(wishes.news(heights, '2')).toEqual([
      { action: 'slot', mid: '1', height: 360, priority: 0 },
      { action: 'slot', mid: '2', height: 0, priority: 1 },
    ]);
  });

  it('tell of a slot anew that was gone meanwhile', () => {
    const wishes = new Wishes();
    const heights = new Map([['1', 360]]);
    wishes.news(heights, null);
    wishes.news(new Map(), null);
    expect(wishes.news(heights, null)).toHaveLength(1);
  });
});
