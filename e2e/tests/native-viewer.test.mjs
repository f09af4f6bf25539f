import assert from 'node:assert/strict';
import { test } from 'node:test';

import { built, jsonLine, startProgram } from '../fixtures/programs.mjs';
import { publish } from '../fixtures/publisher.mjs';
import { startServer } from '../fixtures/server.mjs';

test('our own receiver shows `footlight publish` in order, hears the tone, and both come together', async (t) => {
  const server = await startServer(t);
  const publisher = await publish(t, server.url);
  const viewer = startProgram(t, 'watch', built('examples/watch'), [`${server.url}/whep/${publisher.session}`]);
  const seen = await viewer.line('pictures, tone and flashes', (line) => {
    const report = jsonLine(line);
    const settled = report?.frequency !== null && report?.frames >= 100 && report?.flash_after_click_ms.length >= 6;
    return settled ? report : undefined;
  }, 120_000);
  assert.deepEqual(seen.size, [320, 180]);
  assert.equal(seen.backward, 0, 'pictures only go forward');
  assert.ok(Math.abs(seen.frequency - 440) < 15, `the tone is at ${seen.frequency} Hz`);
  assert.equal(seen.sample.videoCodec, 'H264');
  // The first seconds pass before both slots have had their sender report.
  const apart = seen.flash_after_click_ms.slice(2);
  assert.ok(apart.every((/** @type {number} */ ms) => Math.abs(ms) <= 100), `flash after click, in ms: ${apart}`);
  t.diagnostic(`flash after click, in ms: ${seen.flash_after_click_ms}`);
});
