import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { defaultQuality, followNetwork } from './network';
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

describe('followNetwork', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  /** A phone, and how often it told of another network. */
  function phone() {
    const connection = Object.assign(new EventTarget(), { type: 'wifi' });
    const view = Object.assign(new EventTarget(), { navigator: { connection } });
    const changed = vi.fn();
    const end = followNetwork(view, changed);
    const goTo = (type: string) => {
      connection.type = type;
      connection.dispatchEvent(new Event('change'));
    };
    return { view, changed, end, goTo };
  }

  it('tells of a hand-over that leaves no gap, once it lasts', () => {
    const { changed, goTo } = phone();
    goTo('cellular');
    vi.advanceTimersByTime(500);
    expect(changed).not.toHaveBeenCalled();
    goTo('wifi');
    vi.advanceTimersByTime(5_000);
    expect(changed).not.toHaveBeenCalled();
    goTo('cellular');
    vi.advanceTimersByTime(5_000);
    expect(changed).toHaveBeenCalledOnce();
  });

  it('tells once, and at once, of a network that came after a gap', () => {
    const { view, changed, goTo } = phone();
    goTo('none');
    vi.advanceTimersByTime(5_000);
    expect(changed).not.toHaveBeenCalled();
    goTo('cellular');
    view.dispatchEvent(new Event('online'));
    expect(changed).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(5_000);
    expect(changed).toHaveBeenCalledOnce();
  });

  it('tells nothing of another speed, nor after its end', () => {
    const { view, changed, end, goTo } = phone();
    goTo('wifi');
    vi.advanceTimersByTime(5_000);
    goTo('cellular');
    end();
    view.dispatchEvent(new Event('online'));
    vi.advanceTimersByTime(5_000);
    expect(changed).not.toHaveBeenCalled();
  });

  it('does with a browser that tells no more than “online”', () => {
    const view = Object.assign(new EventTarget(), { navigator: {} });
    const changed = vi.fn();
    followNetwork(view, changed);
    view.dispatchEvent(new Event('online'));
    expect(changed).toHaveBeenCalledOnce();
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
