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
  onclose: (() => void) | null = null;

  constructor() {
    FakeSocket.last = this;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.closed = true;
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
    closed: (wasOpen) => heard.push(wasOpen ? 'lost' : 'refused'),
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
    refused.socket.onclose?.();
    expect(refused.heard).toEqual(['refused']);
    const lost = connect();
    lost.socket.open();
    lost.socket.onclose?.();
    expect(lost.heard).toEqual(['opened', 'lost']);
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
    expect(answered).toBe(12);
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

  it('says nothing after it was closed, and sends nothing before it is open', () => {
    const { signaling, socket, heard } = connect();
    signaling.send({ action: 'ping' });
    expect(socket.sent).toEqual([]);
    signaling.close();
    socket.onclose?.();
    vi.advanceTimersByTime(60_000);
    expect(heard).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('signalingUrl', () => {
  it('speaks as securely as the page was served', () => {
    expect(signalingUrl('show', 'https://host:8443', null)).toBe('wss://host:8443/ws/live/show');
    expect(signalingUrl('show', 'http://host', 'Ada & Co')).toBe('ws://host/ws/live/show?username=Ada+%26+Co');
  });
});
