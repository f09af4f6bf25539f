import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { OnAirStudio } from '../stores/on-air.svelte';
import type { AppEvent, AppServer, Start } from './bindings';

/** All that the shell does outside of itself, in order. */
const { done, app, page } = vi.hoisted(() => {
  const done: string[] = [];
  return {
    done,
    /** What the app answers, and how the pages hear of it. */
    app: {
      start: {} as Start,
      waiting: null as AppEvent | null,
      tell: (() => undefined) as (event: AppEvent) => void,
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
      listen: (tell: (event: AppEvent) => void) => {
        app.tell = tell;
        // As the app does: a link that waited is told before the command is answered.
        if (app.waiting !== null) {
          tell(app.waiting);
        }
        return Promise.resolve();
      },
      connect: note('connect to'),
      leave: note('leave the server'),
      quit: note('close the window'),
      believeCertificate: note('believe'),
    },
  };
});

const SERVER: AppServer = {
  choice: { kind: 'at', address: 'https://home:8443' },
  origin: 'https://home:8443',
  shared: ['https://home.example:8443'],
};

function link(server: string | null): AppEvent {
  return { kind: 'link_opened', link: { session: 'show', server } };
}

/** A shell that has begun, with `waiting` as the link that the app was started by. */
async function begun(server: AppServer | null = SERVER, waiting: AppEvent | null = null) {
  app.waiting = waiting;
  app.start = { name: null, server, failure: null, notice: null, can_serve: true, phone: false };
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
  Object.assign(app, { refusal: null, waiting: null });
  Object.assign(page, { asks: false, leave: null });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(0);

describe('a link that the app is started by', () => {
  it.each([null, SERVER.origin, SERVER.shared[0] ?? ''])('to the server in use, as %s, is followed', async (server) => {
    const { shell } = await begun(SERVER, link(server));
    expect(done).toEqual(['go to /watch/show']);
    expect(shell.elsewhere).toBeNull();
  });

  it.each([SERVER, null])('to another server is asked about', async (server) => {
    const { shell } = await begun(server, link('https://away'));
    expect(done).toEqual([]);
    expect(shell.elsewhere).toEqual({ session: 'show', server: 'https://away' });
  });

  it('waits until a server is chosen', async () => {
    const { shell } = await begun(null, link(null));
    expect([shell.phase, done]).toEqual(['choosing', []]);
  });
});

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

describe('a changed certificate', () => {
  const changed = {
    kind: 'certificate_changed',
    server: 'home',
    expected: 'old',
    received: 'new',
    expired: false,
  } as const;

  it('is asked about until the answer is kept', async () => {
    const { shell } = await begun();
    shell.report(changed);
    app.refusal = new Error('the disk is full');
    await expect(shell.decide(true)).rejects.toThrow('the disk is full');
    expect(shell.changed).toEqual(changed);
    app.refusal = null;
    const decided = shell.decide(true);
    // One attempt more has failed meanwhile.
    shell.report({ ...changed });
    await decided;
    expect(shell.changed).toBeNull();
  });

  it('that is not believed is asked about once', async () => {
    const { shell } = await begun();
    shell.report(changed);
    await shell.decide(false);
    shell.report({ ...changed });
    expect(shell.changed).toBeNull();
    shell.report({ ...changed, received: 'newer' });
    expect(shell.changed?.received).toBe('newer');
  });
});
