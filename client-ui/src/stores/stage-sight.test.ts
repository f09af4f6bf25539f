import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StageSight } from './stage-sight.svelte';

type Told = (entries: { isIntersecting: boolean }[]) => void;

/** The page, and where its elements are. */
class Page extends EventTarget {
  visibilityState: DocumentVisibilityState = 'visible';
  readonly places = new Map<unknown, Told>();

  become(state: DocumentVisibilityState): void {
    this.visibilityState = state;
    this.dispatchEvent(new Event('visibilitychange'));
  }

  scroll(element: unknown, isIntersecting: boolean): void {
    this.places.get(element)?.([{ isIntersecting }]);
  }

  observer() {
    const { places } = this;
    return class {
      readonly #told: Told;
      #element: unknown;
      constructor(told: Told) {
        this.#told = told;
      }
      observe(element: unknown): void {
        this.#element = element;
        places.set(element, this.#told);
      }
      disconnect(): void {
        places.delete(this.#element);
      }
    };
  }
}

let page: Page;
let player: { inPicture: boolean; fullScreen: boolean };
let sight: StageSight;

beforeEach(() => {
  vi.useFakeTimers();
  page = new Page();
  player = { inPicture: false, fullScreen: false };
  sight = new StageSight(player);
  vi.stubGlobal('document', page);
  vi.stubGlobal('IntersectionObserver', page.observer());
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe('a page in the background', () => {
  it('is seen for some seconds yet, and again at once when it comes back', () => {
    const end = sight.start();
    page.become('hidden');
    vi.advanceTimersByTime(4_000);
    expect(sight.sees('1')).toBe(true);
    vi.advanceTimersByTime(2_000);
    expect(sight.sees('1')).toBe(false);
    page.become('visible');
    expect(sight.sees('1')).toBe(true);
    end();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('costs whoever flips through tabs nothing', () => {
    sight.start();
    for (let flip = 0; flip < 3; flip += 1) {
      page.become('hidden');
      vi.advanceTimersByTime(4_000);
      page.become('visible');
    }
    vi.advanceTimersByTime(60_000);
    expect(sight.sees('1')).toBe(true);
  });

  it('is not seen where it was opened there', () => {
    page.visibilityState = 'hidden';
    sight.start();
    vi.advanceTimersByTime(6_000);
    expect(sight.sees('1')).toBe(false);
  });

  it.each(['inPicture', 'fullScreen'] as const)('is seen while it is %s', (where) => {
    sight.start();
    page.become('hidden');
    vi.advanceTimersByTime(6_000);
    player[where] = true;
    expect(sight.sees('1')).toBe(true);
    player[where] = false;
    expect(sight.sees('1')).toBe(false);
  });
});

it('tells pictures that are scrolled away from those that are not', () => {
  const [first, second] = [{}, {}] as [Element, Element];
  sight.observe('1', first);
  const leave = sight.observe('2', second);
  expect(sight.sees('1'), 'before it is known').toBe(true);
  page.scroll(first, true);
  page.scroll(second, false);
  expect([sight.sees('1'), sight.sees('2')]).toEqual([true, false]);
  page.scroll(second, true);
  expect(sight.sees('2')).toBe(true);
  page.scroll(second, false);
  leave();
  expect(sight.sees('2'), 'of another one').toBe(true);
});
