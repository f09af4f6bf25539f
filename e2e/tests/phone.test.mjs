// Somebody goes live from a phone: its page, its touch, its two cameras.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { faults } from '../fixtures/accessibility.mjs';
import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { goLive } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { STAGE, says } from '../fixtures/watching.mjs';

const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

/** From the tap to the other camera's first frame at a viewer, in milliseconds. */
const SWAPPED_WITHIN_MS = 1_000;

/** The machine's other work only ever adds to what a swap takes: the least of so many tells what it takes by itself. */
const SWAPS = 4;

/**
 * Counts the offers for publishing that a page sends, from now on.
 * @param {import('playwright-core').Page} page
 */
function countOffers(page) {
  let offers = 0;
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => {
      const { action, connection, signal_type: type } = JSON.parse(String(payload));
      if (action === 'webrtc_signal' && connection === 'publish' && type === 'offer') offers += 1;
    });
  });
  return () => offers;
}

/**
 * Chromium's second camera measures depth, in a format that it cannot encode: the page is to know the first and the third.
 * @param {import('playwright-core').Page} page
 */
const withTwoCameras = (page) =>
  page.context().addInitScript(() => {
    const { mediaDevices } = navigator;
    const enumerate = mediaDevices.enumerateDevices.bind(mediaDevices);
    mediaDevices.enumerateDevices = async () =>
      (await enumerate()).filter(({ kind, label }) => kind !== 'videoinput' || label !== 'fake_device_1');
  });

/**
 * Writes down when the viewer's picture becomes another camera's: the corners of one are green, those of the other yellow.
 * @param {import('playwright-core').Page} page
 */
async function noteCameras(page) {
  await page.evaluate((stage) => {
    const video = /** @type {HTMLVideoElement} */ (document.querySelector(stage));
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
      new OffscreenCanvas(2, 2).getContext('2d', { willReadFrequently: true })
    );
    /** @type {{ camera: string, at: number }[]} */
    const seen = (window.cameras = []);
    const look = () => {
      const [width, height] = [video.videoWidth / 50, video.videoHeight / 50];
      for (const corner of [0, 1, 2, 3]) {
        const [x, y] = [corner % 2, corner >> 1];
        context.drawImage(video, (1 + 47 * x) * width, (1 + 47 * y) * height, width, height, x, y, 1, 1);
      }
      // They grow bright and dark in turn: the most red of the four tells.
      const red = Math.max(...context.getImageData(0, 0, 2, 2).data.filter((_, index) => index % 4 === 0));
      const camera = red > 120 ? 'yellow' : 'green';
      if (seen.at(-1)?.camera !== camera) seen.push({ camera, at: Date.now() });
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  }, STAGE);
}

test('front and back camera change places for viewers within a second, and without an offer', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t, { cameras: 3 });
  const phone = await openPage(t, browser, PHONE);
  await withTwoCameras(phone);
  const offers = countOffers(phone);
  const session = await goLive(phone, server.url, { name: 'Ann' });
  assert.deepEqual(await faults(phone), []);
  const viewer = await openPage(t, browser);
  await viewer.goto(`${server.url}/watch/${session}`);
  await says(viewer, 'live');
  await noteCameras(viewer);
  const seen = () => viewer.evaluate(() => window.cameras);
  await until('a camera is seen', async () => (await seen()).length === 1);

  await phone.evaluate(() => addEventListener('click', () => (window.tappedAt = Date.now()), true));
  const offersBefore = offers();
  const took = [];
  for (let swap = 1; swap <= SWAPS; swap += 1) {
    await phone.getByTestId('flip-camera').tap();
    await until('the other camera is seen', async () => (await seen()).length > swap);
    const arrived = (await seen())[swap]?.at ?? Infinity;
    took.push(arrived - (await phone.evaluate(() => window.tappedAt)));
  }
  t.diagnostic(`swaps took ${took.join(', ')} ms`);
  assert.ok(Math.min(...took) < SWAPPED_WITHIN_MS, `a swap took ${took.join(', ')} ms`);
  assert.equal(offers(), offersBefore);
  assert.ok(offersBefore > 0);
});

test('a phone that is put away shows its camera no more, is still heard, and goes on when it is looked at', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const phone = await openPage(t, browser, PHONE);
  const session = await goLive(phone, server.url, { name: 'Ann' });
  const viewer = await openPage(t, browser);
  await viewer.goto(`${server.url}/watch/${session}`);
  await says(viewer, 'live');

  /** @param {DocumentVisibilityState} state */
  const become = (state) =>
    phone.evaluate((state) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  await become('hidden');
  await viewer.getByTestId('camera-off').waitFor();
  assert.deepEqual(await faults(viewer), []);
  const sent = () => viewer.evaluate(() => document.querySelector('[data-testid="person"] .unseen')?.textContent ?? '');
  await until('only the picture is off', async () => /picture off/.test(await sent()) && !/sound off/.test(await sent()));
  await become('visible');
  await viewer.getByTestId('camera-off').waitFor({ state: 'detached' });
});
