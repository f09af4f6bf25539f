import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { MediaEngine } from '../media/engine';
import { useMediaEngine } from '../media/current';
import { browserEngine } from '../media/browser-engine';
import { Tile } from './tile.svelte';

/** What a page observes of its tiles. */
class Observers {
  readonly seen: (() => void)[] = [];
  readonly resized: (() => void)[] = [];

  intersections() {
    const { seen } = this;
    return class {
      constructor(told: (entries: { isIntersecting: boolean }[]) => void) {
        seen.push(() => told([{ isIntersecting: true }]));
      }
      observe(): void {}
      disconnect(): void {}
    };
  }

  sizes() {
    const { resized } = this;
    return class {
      constructor(told: () => void) {
        resized.push(told);
      }
      observe(): void {}
      disconnect(): void {}
    };
  }
}

const engine: MediaEngine = {
  surface: 'video',
  works: true,
  videoCodecs: () => Promise.resolve(['H264']),
  subscribe: () => ({
    offer: Promise.resolve('offer'),
    accept: () => Promise.resolve(),
    addCandidate: () => Promise.resolve(),
    extend: () => Promise.resolve('offer'),
    isFirst: () => true,
    attach: () => undefined,
    attachSlot: () => undefined,
    sample: () => Promise.resolve(null),
    close: () => undefined,
  }),
};

let observers: Observers;
let asked: string[];

beforeEach(() => {
  vi.useFakeTimers();
  observers = new Observers();
  asked = [];
  useMediaEngine(engine);
  vi.stubGlobal('document', Object.assign(new EventTarget(), { hidden: false }));
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('removeEventListener', () => undefined);
  vi.stubGlobal('location', { origin: 'https://host' });
  vi.stubGlobal('devicePixelRatio', 1.5);
  vi.stubGlobal('IntersectionObserver', observers.intersections());
  vi.stubGlobal('ResizeObserver', observers.sizes());
  vi.stubGlobal('fetch', (url: URL, { method }: RequestInit) => {
    if (method === 'POST') {
      asked.push(url.href);
    }
    return Promise.resolve(
      new Response('answer', { status: 201, headers: { location: `/whep/show/${asked.length}` } }),
    );
  });
});

afterEach(() => {
  useMediaEngine(browserEngine);
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it('asks for its height in device pixels, and again when it has grown', async () => {
  const element = { clientHeight: 198 };
  const tile = new Tile('show');
  const leave = tile.follow(element as Element);
  observers.seen.forEach((tell) => tell());
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual(['https://host/whep/show?preview=true&height=297']);

  const resize = async (height: number) => {
    element.clientHeight = height;
    observers.resized.forEach((tell) => tell());
    await vi.advanceTimersByTimeAsync(1_000);
  };
  await resize(120);
  await resize(210);
  expect(asked).toHaveLength(1);
  await resize(450);
  expect(asked.slice(1)).toEqual(['https://host/whep/show?preview=true&height=675']);
  leave();
});
