import { afterEach, describe, expect, it, vi } from 'vitest';
import { WhepError, deleteResource, postOffer, previewEndpoint } from './whep';

const ENDPOINT = previewEndpoint('show', 'https://host', 180);
const never = new AbortController().signal;

function answering(status: number, headers: Record<string, string>, body = 'answer') {
  const fetching = vi.fn((_: URL, request: RequestInit) => {
    void request;
    return Promise.resolve(new Response(body, { status, headers }));
  });
  vi.stubGlobal('fetch', fetching);
  return fetching;
}

afterEach(() => void vi.unstubAllGlobals());

describe('previewEndpoint', () => {
  it.each([
    [247.5, '?preview=true&height=248'],
    [5_000, '?preview=true&height=4320'],
    [0, '?preview=true'],
  ])('of a tile %s pixels high asks for %s', (height, query) => {
    expect(previewEndpoint('show', 'https://host', height).search).toBe(query);
  });
});

describe('postOffer', () => {
  it('posts the offer as SDP and reads the answer and its resource', async () => {
    const fetching = answering(201, { location: '/whep/show/7' });
    const resource = await postOffer(ENDPOINT, 'offer', never);
    expect(resource.answerSdp).toBe('answer');
    expect(resource.location.href).toBe('https://host/whep/show/7');
    const [url, request] = fetching.mock.calls[0] ?? [];
    expect(url?.href).toBe('https://host/whep/show?preview=true&height=180');
    expect(request).toMatchObject({ method: 'POST', body: 'offer', headers: { 'content-type': 'application/sdp' } });
  });

  it('deletes the resource in a way that survives the page', async () => {
    answering(201, { location: '/whep/show/7' });
    const resource = await postOffer(ENDPOINT, 'offer', never);
    const fetching = answering(200, {}, '');
    deleteResource(resource);
    expect(fetching).toHaveBeenCalledWith(resource.location, { method: 'DELETE', keepalive: true });
  });

  it.each([
    ['a session that is not there', 404, {}],
    ['an answer that made nothing', 200, { location: '/whep/show/7' }],
    ['a resource without a name', 201, {}],
    ['a resource at another server', 201, { location: 'https://elsewhere/whep/show/7' }],
  ])('refuses %s', async (_, status, headers: Record<string, string>) => {
    answering(status, headers);
    await expect(postOffer(ENDPOINT, 'offer', never)).rejects.toThrow(WhepError);
  });
});
