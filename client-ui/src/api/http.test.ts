import { afterEach, describe, expect, it, vi } from 'vitest';
import { liveSessions, presenceOf, videoCodecsOnAir } from './http';

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
