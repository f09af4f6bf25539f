import { describe, expect, it } from 'vitest';
import { arrange } from './arrangement';
import type { StageTile } from './tiles';

function tile(key: string): StageTile {
  const [kind = '', userId = ''] = key.split(':');
  return { key, userId, kind: kind as StageTile['kind'], mid: null, name: userId, person: null };
}

const TILES = ['self:me', 'screen:b', 'person:a', 'person:b', 'person:c'].map(tile);
const keys = (...[expanded, forward]: [string | null, string[]]) => {
  const { ordered, large } = arrange(TILES, expanded, forward);
  return [ordered.map(({ key }) => key).join(' '), large];
};

describe('arrange', () => {
  it('shows screens large, then you, then people as they came forward', () => {
    expect(keys(null, ['person:c', 'person:a', 'person:b'])).toEqual([
      'screen:b self:me person:c person:a person:b',
      1,
    ]);
  });

  it('shows what was chosen in their place', () => {
    expect(keys('person:b', [])).toEqual(['person:b self:me screen:b person:a person:c', 1]);
    expect(keys('person:gone', [])[0], 'somebody who has left').toMatch(/^screen:b/);
  });

  it('puts newcomers at the end, and makes none large where all would be', () => {
    expect(keys(null, ['person:c'])[0]).toBe('screen:b self:me person:c person:a person:b');
    expect(arrange([tile('screen:a'), tile('screen:b')], null, []).large).toBe(0);
    expect(arrange([tile('person:a')], 'person:a', []).large).toBe(0);
  });
});
