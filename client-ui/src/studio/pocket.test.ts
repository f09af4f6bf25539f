import { describe, expect, it } from 'vitest';
import { defaultQuality } from './network';
import { bitrateOf, sizeConstraints } from './quality';
import { followSight, isPocketable } from './sight';

describe('defaultQuality', () => {
  it('is 640×480 at a lower bitrate over a cellular network, or where data is to be saved', () => {
    const cellular = defaultQuality({ connection: { type: 'cellular' } });
    expect(sizeConstraints(cellular)).toMatchObject({ width: { ideal: 640 }, height: { ideal: 480 } });
    expect(bitrateOf(cellular)).toBeLessThan(bitrateOf(defaultQuality({})) / 2);
    expect(defaultQuality({ connection: { type: 'wifi', saveData: true } })).toEqual(cellular);
  });

  it('is the usual one where nothing is known', () => {
    expect(defaultQuality({}).height).toBe(720);
    expect(defaultQuality({ connection: { type: 'wifi' } }).height).toBe(720);
  });
});

describe('followSight', () => {
  it('tells each change until it is ended', () => {
    const page = Object.assign(new EventTarget(), { visibilityState: 'visible' as DocumentVisibilityState });
    const told: boolean[] = [];
    const end = followSight(page as unknown as Document, (inSight) => told.push(inSight));
    for (const state of ['hidden', 'visible'] as const) {
      page.visibilityState = state;
      page.dispatchEvent(new Event('visibilitychange'));
    }
    end();
    page.dispatchEvent(new Event('visibilitychange'));
    expect(told).toEqual([false, true]);
  });

  it('takes a device without mouse for one that goes into a pocket', () => {
    const matching = (matches: boolean) => ({ matchMedia: () => ({ matches }) }) as unknown as Window;
    expect(isPocketable(matching(true))).toBe(true);
    expect(isPocketable(matching(false))).toBe(false);
  });
});
