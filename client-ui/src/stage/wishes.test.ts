import { describe, expect, it } from 'vitest';
import { Wishes, comesIntoSight, heightFor } from './wishes';

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
    const rect = height === null ? null : { width: height * 2, height };
    expect(heightFor(rect, ratio, { ratio: undefined, whole: true })).toBe(expected);
  });

  it.each([
    ['wider than it is high', 320, 200, 16 / 9, true, 180],
    ['higher than it is wide', 640, 360, 9 / 16, true, 360],
    ['cut above and below', 320, 180, 9 / 16, false, 720],
    ['cut at its sides', 180, 180, 16 / 9, false, 180],
  ])('of a picture that is %s', (_, width, height, ratio, whole, expected) => {
    expect(heightFor({ width, height }, 1, { ratio, whole })).toBe(expected);
  });
});

it.each([
  ['is seen again', 360, 0, true],
  ['is still not seen', 0, 0, false],
  ['goes out of sight', 0, 360, false],
  ['has another size', 360, 180, false],
  ['is new', 360, undefined, false],
])('what %s', (_, height, before, expected) => {
  const told = new Map(before === undefined ? [] : [['1', before]]);
  expect(comesIntoSight(new Map([['1', height]]), told)).toBe(expected);
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
