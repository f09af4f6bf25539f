import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AppRequest, AppResponse, Failure, SocketEvent } from './bindings';
import { fromBase64, toBase64 } from './base64';
import { CommandFailed, type ServerCommands } from './commands';
import { RelayedServer } from './relayed-server';

const ORIGIN = 'https://hall:8443';
const UNREACHABLE: Failure = { kind: 'unreachable', server: 'hall:8443', message: 'connection refused' };

/** An app that does as it is told, and remembers what it was asked. */
class FakeApp implements ServerCommands {
  readonly asked: AppRequest[] = [];
  readonly done: string[] = [];
  answer: AppResponse | Failure = { status: 200, headers: [], body: '' };
  opens: number | Failure = 7;
  listener: (event: SocketEvent) => void = () => undefined;
  /** Resolves the command that is under way. */
  finish: () => void = () => undefined;
  slow = false;

  askServer = (request: AppRequest) => {
    this.asked.push(request);
    return 'kind' in this.answer ? Promise.reject(new CommandFailed(this.answer)) : Promise.resolve(this.answer);
  };

  openSocket = (path: string, listener: (event: SocketEvent) => void) => {
    this.done.push(`open ${path}`);
    this.listener = listener;
    return typeof this.opens === 'number' ? Promise.resolve(this.opens) : Promise.reject(new CommandFailed(this.opens));
  };

  sendFrame = (socket: number, text: string) => {
    this.done.push(`send ${socket} ${text}`);
    return this.slow ? new Promise<void>((resolve) => (this.finish = resolve)) : Promise.resolve();
  };

  acknowledgeFrames = (socket: number, taken: number) => {
    this.done.push(`taken ${socket} ${taken}`);
    return Promise.resolve();
  };

  closeSocket = (socket: number, code: number | null) => {
    this.done.push(`close ${socket} ${code}`);
    return Promise.resolve();
  };
}

let app: FakeApp;
let reported: Failure[];
let server: RelayedServer;

beforeEach(() => {
  vi.useFakeTimers();
  app = new FakeApp();
  reported = [];
  const place = { origin: ORIGIN, sharedOrigin: 'https://192.168.1.20:8443' };
  server = new RelayedServer(
    place,
    app,
    (failure) => reported.push(failure),
    (path) => `server://localhost${path}`,
  );
});
afterEach(() => void vi.useRealTimers());

describe('a request by way of the app', () => {
  it('carries method, path, headers and body there, and the answer back', async () => {
    app.answer = {
      status: 201,
      headers: [['location', '/whep/show/1']],
      body: toBase64(new TextEncoder().encode('v=0')),
    };
    const response = await server.fetch('/whep/show?preview=true', {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: 'offer',
    });
    expect(app.asked[0]).toMatchObject({ method: 'POST', path: '/whep/show?preview=true' });
    expect(app.asked[0]?.headers).toContainEqual(['content-type', 'application/sdp']);
    expect(new TextDecoder().decode(fromBase64(app.asked[0]?.body ?? ''))).toBe('offer');
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe('/whep/show/1');
    expect(await response.text()).toBe('v=0');
  });

  it('takes an answer that can have no body', async () => {
    app.answer = { status: 204, headers: [], body: '' };
    expect((await server.fetch('/api/sessions/show/background', { method: 'DELETE' })).status).toBe(204);
  });

  it('fails as the browser’s own does, and says why to whoever can ask the person', async () => {
    app.answer = UNREACHABLE;
    await expect(server.fetch('/api/sessions')).rejects.toThrow(TypeError);
    expect(reported).toEqual([UNREACHABLE]);
  });

  it('is given up when its time is over', async () => {
    app.askServer = () => new Promise(() => undefined);
    const controller = new AbortController();
    const asked = server.fetch('/api/sessions', { signal: controller.signal });
    const failed = expect(asked).rejects.toMatchObject({ name: 'AbortError' });
    await vi.advanceTimersByTimeAsync(0);
    controller.abort();
    await failed;
    expect(reported).toEqual([]);
  });

  it('goes to the chosen server alone', async () => {
    await expect(server.fetch('https://elsewhere/api/sessions')).rejects.toThrow('not the server');
    expect(app.asked).toEqual([]);
  });
});

describe('a socket by way of the app', () => {
  const heard: string[] = [];
  const open = () => {
    heard.length = 0;
    return server.openSocket('wss://hall:8443/ws/live/show?token=x', {
      opened: () => heard.push('opened'),
      message: (data) => heard.push(`message ${String(data)}`),
      closed: (code) => heard.push(`closed ${code}`),
    });
  };
  const settle = () => vi.advanceTimersByTimeAsync(1);

  it('sends one frame at a time, in order, and says good-bye behind them', async () => {
    const socket = open();
    await settle();
    app.listener({ kind: 'opened' });
    app.slow = true;
    socket.send('one');
    socket.send('two');
    socket.close(1000);
    await settle();
    expect(app.done).toEqual(['open /ws/live/show?token=x', 'send 7 one']);
    app.slow = false;
    app.finish();
    await settle();
    expect(app.done.slice(1)).toEqual(['send 7 one', 'send 7 two', 'close 7 1000']);
    expect(heard).toEqual(['opened']);
  });

  it('acknowledges together what came together', async () => {
    open();
    await settle();
    app.listener({ kind: 'opened' });
    app.listener({ kind: 'text', text: 'a' });
    app.listener({ kind: 'text', text: 'b' });
    expect(heard).toEqual(['opened', 'message a', 'message b']);
    await settle();
    app.listener({ kind: 'text', text: 'c' });
    await settle();
    expect(app.done.slice(1)).toEqual(['taken 7 2', 'taken 7 3']);
  });

  it('tells the close code once, and nothing after it', async () => {
    const socket = open();
    await settle();
    app.listener({ kind: 'opened' });
    app.listener({ kind: 'closed', code: 4003, failure: null });
    app.listener({ kind: 'closed', code: null, failure: null });
    socket.send('too late');
    await settle();
    expect(heard).toEqual(['opened', 'closed 4003']);
    expect(app.done).toEqual(['open /ws/live/show?token=x']);
  });

  it('is closed where it cannot be opened, and says why to whoever can ask the person', async () => {
    app.opens = { kind: 'no_server' };
    open();
    await settle();
    expect(heard).toEqual(['closed undefined']);
    app.opens = 7;
    open();
    await settle();
    app.listener({ kind: 'closed', code: null, failure: UNREACHABLE });
    expect(heard).toEqual(['closed undefined']);
    expect(reported).toEqual([UNREACHABLE]);
  });

  it('counts as lost where the app takes nothing any more', async () => {
    const socket = open();
    await settle();
    app.listener({ kind: 'opened' });
    app.slow = true;
    for (let frame = 0; frame < 300; frame += 1) {
      socket.send(`${frame}`);
    }
    await settle();
    expect(heard).toEqual(['opened', 'closed undefined']);
  });
});
