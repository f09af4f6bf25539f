import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium, launchFirefox, openPage } from '../fixtures/browsers.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import { servePlainPage } from '../fixtures/plain-page.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { STAGE } from '../fixtures/watching.mjs';

/** @typedef {{ evaluate: import('playwright-core').Page['evaluate'] }} Evaluates a page of either browser */

testInOwnNetwork('Chromium publishes VP8 over WHIP and Firefox watches it over WHEP and on the watch page', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const plain = await servePlainPage(t);
  const publisher = await openPage(t, await launchChromium(t));
  await publisher.goto(plain);
  await publisher.evaluate((url) => window.publish(url, 'VP8'), `${server.url}/whip/vp8`);

  const firefox = await launchFirefox(t);
  const viewer = await firefox.newPage();
  await viewer.goto(plain);
  await viewer.evaluate((url) => window.watch(url), `${server.url}/whep/vp8`);
  await assertMovingPictureAndSound(/** @type {any} */ (viewer), 'video/VP8');

  await viewer.goto(`${server.localUrl}/watch/vp8`);
  await viewer.waitForSelector('[data-testid="state"][data-state="live"]');
  // Firefox counts no frames of a live stream in `getVideoPlaybackQuality`.
  const widthOfFiftiethFrame = await viewer.evaluate(
    (stage) =>
      new Promise((resolve) => {
        const video = /** @type {HTMLVideoElement} */ (document.querySelector(stage));
        let frames = 0;
        const onFrame = () => (++frames === 50 ? resolve(video.videoWidth) : video.requestVideoFrameCallback(onFrame));
        video.requestVideoFrameCallback(onFrame);
      }),
    STAGE,
  );
  assert.equal(widthOfFiftiethFrame, 320);
});

test('Chromium publishes H.264 over WHIP and Chromium watches it over WHEP', async (t) => {
  const server = await startServer(t);
  const plain = await servePlainPage(t);
  const browser = await launchChromium(t);
  const publisher = await openPage(t, browser);
  await publisher.goto(plain);
  await publisher.evaluate((url) => window.publish(url, 'H264'), `${server.url}/whip/h264`);

  const viewer = await openPage(t, browser);
  await viewer.goto(plain);
  await viewer.evaluate((url) => window.watch(url), `${server.url}/whep/h264`);
  await assertMovingPictureAndSound(viewer, 'video/H264');

  const [session] = await server.sessions();
  assert.equal(session?.session_id, 'h264');
  assert.equal(session?.viewer_count, 1);
});

test('sound that carries the packets before it goes to whoever takes it, and the others hear the same without', async (t) => {
  const server = await startServer(t);
  const plain = await servePlainPage(t);
  const browser = await launchChromium(t);
  const publisher = await openPage(t, browser);
  await publisher.goto(plain);
  await publisher.evaluate((url) => window.publish(url, 'VP8', ['red', 'opus']), `${server.url}/whip/redundant`);

  const offers = [undefined, ['opus']];
  const [redundant, own] = await Promise.all(
    offers.map(async (sound) => {
      const viewer = await openPage(t, browser);
      await viewer.goto(plain);
      await viewer.evaluate(([url, sound]) => window.watch(url, sound), /** @type {const} */ ([`${server.url}/whep/redundant`, sound]));
      await assertMovingPictureAndSound(viewer, 'video/VP8');
      const { soundBytes, soundPackets } = await viewer.evaluate(() => window.decoded());
      return soundBytes / soundPackets;
    }),
  );
  assert.ok(redundant > 1.5 * own, `${redundant} and ${own} bytes a packet`);
});

/**
 * @param {Evaluates} viewer
 * @param {string} codec
 */
async function assertMovingPictureAndSound(viewer, codec) {
  const decoded = await until('a hundred frames are decoded', async () => {
    const now = await viewer.evaluate(() => window.decoded());
    return now.frames >= 100 && now.soundPackets >= 100 ? now : undefined;
  });
  assert.equal(decoded.codec, codec);
  // A fake device beeps; Firefox does not say how loud.
  if (decoded.soundEnergy !== null) assert.ok(decoded.soundEnergy > 0, 'the sound is silence');
  const first = await viewer.evaluate(() => window.picture());
  assert.ok(Math.max(...first) - Math.min(...first) > 30, 'the picture is of one colour');
  await until('the picture changes', async () => {
    const later = await viewer.evaluate(() => window.picture());
    return later.some((value, index) => Math.abs(value - (first[index] ?? 0)) > 15);
  });
}
