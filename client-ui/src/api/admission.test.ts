import { afterEach, describe, expect, it, vi } from 'vitest';
import { admissionAt } from './admission';

function answering(status: number, body: BodyInit): string[] {
  const asked: string[] = [];
  vi.stubGlobal('fetch', (target: URL) => {
    const url = target.href;
    asked.push(url);
    return Promise.resolve(new Response(body, { status }));
  });
  return asked;
}

const json = (code: string, message = '') => JSON.stringify({ code, message });

afterEach(() => void vi.unstubAllGlobals());

describe('admissionAt', () => {
  it('asks where the WebSocket would, with the same words', async () => {
    const asked = answering(400, json('websocket_expected'));
    await admissionAt('ws://a:1/ws/live/show?username=Ada');
    await admissionAt('wss://a/ws/live/show?token=t');
    expect(asked).toEqual(['http://a:1/ws/live/show?username=Ada', 'https://a/ws/live/show?token=t']);
  });

  it.each([
    [400, json('websocket_expected'), 'granted'],
    [426, json('websocket_expected'), 'granted'],
    [404, json('session_not_found'), 'absent'],
    [404, '<html>', 'absent'],
    [503, json('overloaded'), 'unreachable'],
    [502, '<html>', 'unreachable'],
    [200, '<html>', 'unreachable'],
  ])('takes %i %s for %s', async (status, body, admission) => {
    answering(status, body);
    expect(await admissionAt('wss://a/ws/live/show')).toBe(admission);
  });

  it('tells why somebody is not let in', async () => {
    answering(403, json('session_full', 'this session is full'));
    expect(await admissionAt('wss://a/ws/live/show')).toEqual({
      code: 'session_full',
      message: 'This session is full.',
    });
    answering(401, json('token_expired', 'the token expired'));
    expect(await admissionAt('wss://a/ws/live/show')).toMatchObject({ code: 'token_expired' });
    answering(403, '<html>');
    expect(await admissionAt('wss://a/ws/live/show')).toEqual({ code: 'status_403', message: '' });
  });

  it('takes silence for a server that is away', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('refused')));
    expect(await admissionAt('wss://a/ws/live/show')).toBe('unreachable');
  });
});
