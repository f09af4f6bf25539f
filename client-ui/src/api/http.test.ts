import { afterEach, describe, expect, it, vi } from 'vitest';
import { createSession, deleteBackground, liveSessions, presenceOf, putBackground, videoCodecsOnAir } from './http';

function answering(status: number, body: unknown): void {
  vi.stubGlobal('fetch', () => Promise.resolve(Response.json(body, { status })));
}

const session = {
  session_id: 'show',
  title: 'Rehearsal',
  mode: 'camera',
  viewer_count: 2,
  started_at: '2026-01-01T00:00:00.000Z',
  broadcasters: [],
};

afterEach(() => void vi.unstubAllGlobals());

describe('presenceOf', () => {
  it('tells a session that is not there from a server that is not', async () => {
    answering(200, {});
    expect(await presenceOf('show')).toBe('present');
    answering(404, { code: 'not_found', message: 'no such session' });
    expect(await presenceOf('show')).toBe('absent');
    answering(503, {});
    expect(await presenceOf('show')).toBe('unreachable');
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('refused')));
    expect(await presenceOf('show')).toBe('unreachable');
  });
});

describe('liveSessions', () => {
  it('reads the list and leaves out what it cannot show', async () => {
    answering(200, { sessions: [session, null, { session_id: 7 }] });
    expect(await liveSessions()).toEqual([session]);
    answering(200, {});
    expect(await liveSessions()).toEqual([]);
  });

  it('rejects where the server cannot say', async () => {
    answering(500, {});
    await expect(liveSessions()).rejects.toThrow('500');
  });
});

describe('videoCodecsOnAir', () => {
  it('names the codecs of the pictures', async () => {
    answering(200, {
      tracks: [
        { kind: 'audio', codec: 'opus' },
        { kind: 'video', codec: 'h264' },
      ],
    });
    expect(await videoCodecsOnAir('show')).toEqual(['H264']);
    answering(404, 'nothing');
    expect(await videoCodecsOnAir('show')).toEqual([]);
  });
});

/** Answers once, and keeps what was asked. */
function listening(answer: Response): { path: string; init: RequestInit }[] {
  const asked: { path: string; init: RequestInit }[] = [];
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    asked.push({ path, init });
    return Promise.resolve(answer);
  });
  return asked;
}

describe('createSession', () => {
  it('sends what was chosen, with the token where there is one', async () => {
    const created = { session_id: 'show', host_token: 'secret', watch_url: 'https://a/watch/show' };
    const asked = listening(Response.json(created, { status: 201 }));
    expect(await createSession({ title: 'Rehearsal', mode: 'voice' }, 'key')).toEqual(created);
    expect(asked[0]?.path).toBe('/api/sessions');
    expect(asked[0]?.init).toMatchObject({
      method: 'POST',
      headers: { Authorization: 'Bearer key' },
      body: '{"title":"Rehearsal","mode":"voice"}',
    });
  });

  it.each([
    [401, { code: 'api_key_required', message: 'creating a session here needs an API key' }, /only people with a key/],
    [401, { code: 'token_expired', message: 'the token expired at 2026-01-01T00:00:00Z' }, /^Your link has expired/],
    [400, { code: 'session_id_required', message: 'a token creates the session' }, /does not say which stream/],
    [503, { code: 'too_many_sessions', message: 'the server holds 100 sessions already' }, /^The server holds 100/],
    [502, '<html>', /status 502/],
    [201, { session_id: 'show' }, /makes no sense/],
  ])('says why not: %i', async (status, body, words) => {
    answering(status, body);
    await expect(createSession({})).rejects.toThrow(words);
  });

  it.each([
    'unauthorized',
    'token_malformed',
    'token_algorithm',
    'token_signature',
    'token_claims',
    'token_other_session',
  ])('calls a key that is not good so: %s', async (code) => {
    answering(401, { code, message: 'what programs read' });
    await expect(createSession({})).rejects.toThrow(/^The key in your link does not let you go live here/);
  });

  it('tells a refusal from a server that is away', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('refused')));
    await expect(createSession({})).rejects.toMatchObject({ code: 'unreachable' });
  });
});

describe('the background picture', () => {
  it('is sent as it is, with its type and the right to it', async () => {
    const asked = listening(new Response(null, { status: 204 }));
    const picture = new Blob(['jpeg'], { type: 'image/jpeg' });
    await putBackground('show', 'secret', picture);
    await deleteBackground('show', 'secret');
    expect(asked.map(({ path, init }) => [path, init.method])).toEqual([
      ['/api/sessions/show/background', 'PUT'],
      ['/api/sessions/show/background', 'DELETE'],
    ]);
    expect(asked[0]?.init).toMatchObject({
      headers: { 'Content-Type': 'image/jpeg', Authorization: 'Bearer secret' },
      body: picture,
    });
  });

  it('is refused in the server’s own words: no link has to do with it', async () => {
    answering(401, { code: 'unauthorized', message: 'this is not the token of the host' });
    await expect(deleteBackground('show', 'wrong')).rejects.toThrow('This is not the token of the host.');
  });
});
