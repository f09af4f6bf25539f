import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { E2E, PYTHON } from '../fixtures/places.mjs';
import { servePlainPage } from '../fixtures/plain-page.mjs';
import { jsonLine, startProgram } from '../fixtures/programs.mjs';
import { publish } from '../fixtures/publisher.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';

/**
 * @param {import('node:test').TestContext} t
 * @param {string[]} args
 */
async function aiortc(t, ...args) {
  const program = startProgram(t, `aiortc-${args[0]}`, PYTHON, [join(E2E, 'interop/whip_whep.py'), ...args]);
  await program.line('answer to the offer', (line) => jsonLine(line)?.resource);
  return program;
}

/**
 * What aiortc has decoded, once there is a moving picture and a tone.
 * @param {import('../fixtures/programs.mjs').Program} viewer
 */
const decoded = (viewer) =>
  viewer.line('moving picture and tone', (line) => {
    const seen = jsonLine(line);
    return seen !== undefined && seen.frames >= 60 && seen.changes >= 30 && seen.frequency !== null ? seen : undefined;
  }, 120_000);

test('aiortc watches `footlight publish` over WHEP: it decodes the picture and hears the tone', async (t) => {
  const server = await startServer(t);
  const publisher = await publish(t, server.url);
  const seen = await decoded(await aiortc(t, 'watch', `${server.url}/whep/${publisher.session}`));
  assert.deepEqual(seen.size, [320, 180]);
  assert.ok(Math.abs(seen.frequency - 440) < 10, `the tone is at ${seen.frequency} Hz`);
});

test('aiortc publishes over WHIP: Chromium decodes it, and another aiortc does too', async (t) => {
  const server = await startServer(t);
  await aiortc(t, 'publish', `${server.url}/whip/aiortc?title=From+aiortc`);
  const seen = await decoded(await aiortc(t, 'watch', `${server.url}/whep/aiortc`));
  assert.deepEqual(seen.size, [320, 240]);
  assert.ok(Math.abs(seen.frequency - 440) < 10, `the tone is at ${seen.frequency} Hz`);

  const page = await openPage(t, await launchChromium(t));
  await page.goto(await servePlainPage(t));
  await page.evaluate((url) => window.watch(url), `${server.url}/whep/aiortc`);
  await until('Chromium decodes sixty frames', async () => (await page.evaluate(() => window.decoded())).frames >= 60);
  assert.equal((await server.sessions())[0]?.title, 'From aiortc');
});
