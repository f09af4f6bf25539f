import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { makeHome, openApp, settingsFile, startDisplay } from '../fixtures/app.mjs';
import { startServer } from '../fixtures/server.mjs';

test('the first start asks for nothing but a name and a server, and the next one for nothing at all', async (t) => {
  const server = await startServer(t);
  const [home, display] = [await makeHome(t), await startDisplay(t)];
  const app = await openApp(t, { home, display });
  await app.says('Welcome to Footlight');
  await app.photograph('first-start');
  await app.fill('#name', 'Ada');
  await app.fill('#address', '127.0.0.1:1');
  await app.click('=Connect');
  await app.says('127.0.0.1:1 does not answer');
  await app.fill('#address', server.url);
  await app.click('=Connect');
  await app.says('The stage is dark');
  await app.photograph('home');
  await app.close();
  assert.deepEqual(JSON.parse(await readFile(settingsFile(home), 'utf8')), {
    name: 'Ada',
    server: { kind: 'at', address: server.url },
  });

  const again = await openApp(t, { home, display });
  await again.says('The stage is dark');
});
