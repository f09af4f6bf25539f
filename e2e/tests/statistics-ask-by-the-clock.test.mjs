// Open statistics cost the server the same in a busy room as in a quiet one.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { arrive, enter, goLive, openPeople } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { crowd } from '../fixtures/wire.mjs';

const COMERS = 20;

test('the server is asked once a second, however many come meanwhile', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  const dan = await arrive(t, browser, 'Dan');
  await enter(dan, server.url, session, 'Dan');
  await openPeople(dan);
  await dan.getByRole('button', { name: 'Statistics' }).click();
  await dan.getByTestId('person-figures').waitFor();

  let asked = 0;
  dan.on('request', (request) => (asked += Number(request.url().includes('/stats'))));
  const since = Date.now();
  await crowd(await openPage(t, browser), server, session, COMERS);
  await until('all have come', async () => (await server.sessions())[0]?.viewer_count === COMERS + 1);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const seconds = Math.ceil((Date.now() - since) / 1_000);
  assert.ok(asked <= seconds + 1, `asked ${asked} times in ${seconds} s`);
});
