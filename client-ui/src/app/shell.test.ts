import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { OnAirStudio } from '../stores/on-air.svelte';
import type { AppServer, Start } from './bindings';

/** All that the shell does outside of itself, in order. */
const { done, app, page } = vi.hoisted(() => {
  const done: string[] = [];
  return {
    done,
    /** What the app answers. */
    app: {
      start: {} as Start,
      refusal: null as Error | null,
    },
    /** The question whether the page may be left, where one is asked. */
    page: { asks: false, leave: null as (() => void) | null },
  };
});

vi.mock('@tauri-apps/api/core', () => ({ invoke: vi.fn(), Channel: vi.fn(), convertFileSrc: vi.fn() }));
vi.mock('./engine-choice', () => ({ chooseEngine: vi.fn() }));
vi.mock('../server/current', () => ({ useServer: vi.fn() }));
vi.mock('../stores/current-navigation', () => ({
  navigation: {
    go: (path: string) => done.push(`go to ${path}`),
    ask: (leave: () => void) => (page.asks ? (page.leave = leave) : leave()),
  },
}));
vi.mock('./commands', async (original) => {
  const note =
    (what: string) =>
    (...args: unknown[]) => {
      done.push([what, ...args].join(' '));
      return app.refusal === null ? Promise.resolve() : Promise.reject(app.refusal);
    };
  return {
    ...(await original<typeof import('./commands')>()),
    commands: {
      start: () => Promise.resolve(app.start),
      listen: () => Promise.resolve(),
      connect: note('connect to'),
      leave: note('leave the server'),
      quit: note('close the window'),
    },
  };
});

const SERVER: AppServer = {
  choice: { kind: 'at', address: 'https://home:8443' },
  origin: 'https://home:8443',
  shared: ['https://home.example:8443'],
};

/** A shell that has begun. */
async function begun() {
  app.start = { name: null, server: SERVER, failure: null, notice: null, can_serve: true, phone: false };
  vi.resetModules();
  const { shell } = await import('./shell.svelte');
  const { onAir } = await import('../stores/on-air.svelte');
  await shell.start();
  return { shell, onAir };
}

/** Somebody who is on air, and whose page asks before it is left. */
function goOnAir(onAir: { begin(studio: OnAirStudio): void; end(studio: OnAirStudio): void }) {
  page.asks = true;
  let hear: () => void = () => undefined;
  let write: () => void = () => undefined;
  const studio: OnAirStudio = {
    muted: false,
    toggleSound: () => undefined,
    recording: {
      stop: () => {
        done.push('stop recording');
        return new Promise((resolve) => (write = resolve));
      },
    },
    unpublish: () => {
      done.push('leave the stage');
      page.asks = false;
      onAir.end(studio);
      return new Promise((resolve) => (hear = resolve));
    },
  };
  onAir.begin(studio);
  return { hear: () => hear(), write: () => write() };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('location', { assign: (path: string) => done.push(`load ${path}`) });
  done.length = 0;
  app.refusal = null;
  Object.assign(page, { asks: false, leave: null });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(0);

describe('another server', () => {
  it('is gone to at once by whoever is not on air', async () => {
    const { shell } = await begun();
    await shell.leave();
    expect(done).toEqual(['leave the server', 'load /']);
  });

  it('costs somebody on air nothing before they have agreed to leave', async () => {
    const { shell, onAir } = await begun();
    const { hear, write } = goOnAir(onAir);
    void shell.leave();
    void shell.follow({ session: 'show', server: 'https://away' });
    await settle();
    expect(done).toEqual([]);
    void shell.leave();
    page.leave?.();
    await settle();
    expect(done).toEqual(['stop recording', 'leave the stage']);
    hear();
    write();
    await settle();
    expect(done.slice(2)).toEqual(['go to /', 'leave the server', 'load /']);
  });

  it('of a link that does not answer takes nobody off air', async () => {
    const { shell, onAir } = await begun();
    goOnAir(onAir);
    app.refusal = new Error('it does not answer');
    const followed = shell.follow({ session: 'show', server: 'https://away' });
    page.leave?.();
    await expect(followed).rejects.toThrow('it does not answer');
    expect(done).toEqual(['connect to https://away']);
    expect(onAir.studio).not.toBeNull();
  });

  it('of a link is gone to once it has answered, and the stage is left', async () => {
    const { shell, onAir } = await begun();
    const { hear, write } = goOnAir(onAir);
    void shell.follow({ session: 'show', server: 'https://away' });
    page.leave?.();
    await settle();
    hear();
    write();
    await settle();
    expect(done.filter((what) => !what.startsWith('go'))).toEqual([
      'connect to https://away',
      'stop recording',
      'leave the stage',
      'load /watch/show',
    ]);
  });
});

describe('the window of somebody on air', () => {
  it('closes when the recording is written and the server has heard the farewell', async () => {
    const { shell, onAir } = await begun();
    const { hear, write } = goOnAir(onAir);
    void shell.quit();
    await settle();
    expect(done).toEqual(['stop recording', 'leave the stage']);
    hear();
    await settle();
    expect(done.slice(2)).toEqual(['go to /']);
    write();
    await settle();
    expect(done.slice(3)).toEqual(['close the window']);
    expect(page.leave).toBeNull();
  });

  it('closes where the server hears nothing any more', async () => {
    const { shell, onAir } = await begun();
    const { write } = goOnAir(onAir);
    void shell.quit();
    write();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(done.at(-1)).toBe('close the window');
  });
});
