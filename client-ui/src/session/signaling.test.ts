import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ServerMessage } from '../protocol/bindings';
import { SocketSignaling, signalingUrl } from './signaling';

class FakeSocket {
  static readonly OPEN = 1;
  static last: FakeSocket;
  readyState = 0;
  closed = false;
  readonly sent: unknown[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  closedWith: number | undefined;

  constructor() {
    FakeSocket.last = this;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code?: number): void {
    this.closed = true;
    this.closedWith = code;
  }

  open(): void {
    this.readyState = FakeSocket.OPEN;
    this.onopen?.();
  }

  say(message: unknown): void {
    this.onmessage?.({ data: typeof message === 'string' ? message : JSON.stringify(message) });
  }
}

function connect() {
  const heard: string[] = [];
  const messages: ServerMessage[] = [];
  const signaling = new SocketSignaling('ws://host/ws/live/show', {
    opened: () => heard.push('opened'),
    message: (message) => messages.push(message),
    closed: (why) => heard.push(why),
  });
  return { signaling, socket: FakeSocket.last, heard, messages };
}

const pong = { type: 'pong', timestamp: '2026-01-01T00:00:00.000Z' };

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', FakeSocket);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('SocketSignaling', () => {
  it('hands on what it understands, and nothing else', () => {
    const { socket, messages } = connect();
    socket.open();
    socket.say('{');
    socket.say({ type: 'fly', timestamp: 'now' });
    socket.say(pong);
    expect(messages).toEqual([pong]);
  });

  it('tells a connection that was lost from one that was refused', () => {
    const refused = connect();
    refused.socket.onclose?.({ code: 1006 });
    expect(refused.heard).toEqual(['refused']);
    const lost = connect();
    lost.socket.open();
    lost.socket.onclose?.({ code: 1006 });
    expect(lost.heard).toEqual(['opened', 'lost']);
  });

  it.each([
    [4001, 'replaced'],
    [4003, 'expelled'],
    [1008, 'lost'],
    [1001, 'lost'],
  ])('takes close code %i for %s', (code, why) => {
    const { socket, heard } = connect();
    socket.open();
    socket.onclose?.({ code });
    expect(heard).toEqual(['opened', why]);
  });

  it('says whether it leaves for good', () => {
    const { signaling, socket } = connect();
    signaling.close(true);
    expect(socket.closedWith).toBe(1000);
    const other = connect();
    other.signaling.close();
    expect(other.socket.closedWith).toBe(4004);
  });

  it('gives up a server that never answers the handshake', () => {
    const { socket, heard } = connect();
    vi.advanceTimersByTime(10_000);
    expect(heard).toEqual(['refused']);
    expect(socket.closed).toBe(true);
  });

  it('stays with a server that answers its pings', () => {
    const { socket, heard } = connect();
    socket.open();
    let answered = 0;
    for (let second = 0; second < 60; second += 1) {
      vi.advanceTimersByTime(1_000);
      if (socket.sent.length > 0) {
        expect(socket.sent.splice(0)).toEqual([{ action: 'ping' }]);
        socket.say(pong);
        answered += 1;
      }
    }
    expect(heard).toEqual(['opened']);
    expect(answered).toBe(13);
  });

  it('notices a server that has fallen silent', () => {
    const { socket, heard } = connect();
    socket.open();
    vi.advanceTimersByTime(12_000);
    expect(heard).toEqual(['opened', 'lost']);
  });

  it('notices it sooner when asked to make sure', () => {
    const { signaling, socket, heard } = connect();
    socket.open();
    signaling.probe();
    vi.advanceTimersByTime(2_500);
    expect(heard).toEqual(['opened', 'lost']);
  });

  it('notices it at once where there are other signs, but leaves a slow network the time it takes', () => {
    const near = connect();
    near.socket.open();
    near.signaling.probe(true);
    vi.advanceTimersByTime(450);
    expect(near.heard, 'opened at once').toEqual(['opened', 'lost']);

    const far = connect();
    vi.advanceTimersByTime(600);
    far.socket.open();
    far.signaling.probe(true);
    vi.advanceTimersByTime(2_300);
    expect(far.heard, 'opened after 600 ms').toEqual(['opened']);
    vi.advanceTimersByTime(200);
    expect(far.heard).toEqual(['opened', 'lost']);

    const improved = connect();
    vi.advanceTimersByTime(600);
    improved.socket.open();
    vi.advanceTimersByTime(1_000);
    improved.socket.say(pong);
    improved.signaling.probe(true);
    vi.advanceTimersByTime(450);
    expect(improved.heard, 'answered at once a second later').toEqual(['opened', 'lost']);
  });

  it('says nothing after it was closed, and sends nothing before it is open', () => {
    const { signaling, socket, heard } = connect();
    expect(signaling.send({ action: 'ping' })).toBe(false);
    expect(socket.sent).toEqual([]);
    signaling.close();
    socket.onclose?.({ code: 1006 });
    vi.advanceTimersByTime(60_000);
    expect(heard).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('signalingUrl', () => {
  const nobody = { token: null, username: null, resumeToken: null, title: null };

  it('speaks as securely as the page was served', () => {
    expect(signalingUrl('show', 'https://host:8443', nobody)).toBe('wss://host:8443/ws/live/show');
    expect(signalingUrl('show', 'http://host', { ...nobody, username: 'Ada & Co' })).toBe(
      'ws://host/ws/live/show?username=Ada+%26+Co',
    );
  });

  it('says who comes, and from where they were lost', () => {
    const ada = { ...nobody, token: 'a.b.c', username: 'Ada' };
    expect(signalingUrl('show', 'https://host', { ...ada, resumeToken: 'back' })).toBe(
      'wss://host/ws/live/show?token=a.b.c&username=Ada&resume_token=back',
    );
    expect(signalingUrl('show', 'https://host', { ...ada, title: 'My show' })).toBe(
      'wss://host/ws/live/show?token=a.b.c&username=Ada&title=My+show',
    );
  });
});
