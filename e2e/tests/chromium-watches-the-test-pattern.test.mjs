import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { publish, SMALL } from '../fixtures/publisher.mjs';
import { startServer } from '../fixtures/server.mjs';
import { assertOnlyForward, captureTime, delays, followSound, framesRead, median, pictures, says, toneHeard, watch } from '../fixtures/watching.mjs';

/** The flash is lit while the capture time is within this many milliseconds after a full second. */
const FLASH_MS = 100;

/** @param {import('node:test').TestContext} t */
async function watchThePattern(t) {
  const server = await startServer(t);
  const publisher = await publish(t, server.url, ['--pattern', '--tone', '--title', 'Pattern', ...SMALL]);
  const page = await openPage(t, await launchChromium(t), { viewport: { width: 1280, height: 800 } });
  await watch(page, publisher.watchUrl);
  await says(page, 'live');
  return page;
}

test('the frame number only goes forward over 150 decoded frames', async (t) => {
  const seen = await framesRead(await watchThePattern(t), 150);
  assertOnlyForward(seen);
  assert.ok(seen.unreadable <= seen.pictures / 50, `${seen.unreadable} of ${seen.pictures} frames were unreadable`);
});

test('the tone is in the sound, the flash in the picture, and click and flash coincide', async (t) => {
  const page = await watchThePattern(t);
  await followSound(page);
  assert.equal(median(await toneHeard(page, 10)), 440);

  const { sound, picture } = await delays(page, 8);
  const { readings } = await pictures(page);

  assert.ok(readings.some(({ flash }) => flash), 'no frame has the flash');
  for (const reading of readings) {
    const sinceSecond = captureTime(reading) % 1000;
    assert.equal(reading.flash, sinceSecond < FLASH_MS, `frame ${reading.number}, ${sinceSecond} ms after the second`);
  }

  t.diagnostic(`shown ${picture.toFixed(0)} ms and heard ${sound.toFixed(0)} ms after capture`);
  assert.ok(picture > 0 && picture < 1000, `the picture took ${picture} ms`);
  assert.ok(Math.abs(sound - picture) < 100, `sound ${sound} ms, picture ${picture} ms`);
});
