import { afterEach, expect, it, vi } from 'vitest';
import { createUnlessLeft } from './going-live';

afterEach(() => void vi.unstubAllGlobals());

const CREATED = { session_id: 'show', host_token: 'secret', watch_url: 'https://a/watch/show' };

/** A server that creates, and what it was asked. */
function server(end: () => Response = () => new Response(null, { status: 204 })) {
  const asked: [string, RequestInit][] = [];
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    asked.push([path, init]);
    return Promise.resolve(path === '/api/sessions' ? Response.json(CREATED, { status: 201 }) : end());
  });
  return asked;
}

it('hands over the session to whoever has waited for it', async () => {
  const asked = server();
  expect(await createUnlessLeft({}, 'key', () => false)).toEqual(CREATED);
  expect(asked).toHaveLength(1);
});

it('names the session that the token was made for', async () => {
  const asked = server();
  const claims = btoa(JSON.stringify({ session: 'show', role: 'host' }));
  await createUnlessLeft({ title: 'Rehearsal' }, `e30.${claims}.sig`, () => false);
  await createUnlessLeft({ title: 'Rehearsal' }, 'an API key', () => false);
  expect(asked.map(([, init]) => JSON.parse(String(init.body)) as unknown)).toEqual([
    { title: 'Rehearsal', session_id: 'show' },
    { title: 'Rehearsal' },
  ]);
});

it('ends the session of somebody who left meanwhile, as its host', async () => {
  const asked = server();
  let left = false;
  const creating = createUnlessLeft({}, null, () => left);
  left = true;
  expect(await creating).toBeNull();
  expect(asked[1]).toMatchObject([
    '/ws/live/show/end',
    { method: 'POST', headers: { Authorization: 'Bearer secret' } },
  ]);
});

it('does not mind a server that cannot end it', async () => {
  server(() => new Response('<html>', { status: 502 }));
  expect(await createUnlessLeft({}, null, () => true)).toBeNull();
});
