// A picture in three sizes at once (RFC 8853): each viewer gets the one that their window has a use for.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium, launchFirefox, openPage } from '../fixtures/browsers.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import { servePlainPage } from '../fixtures/plain-page.mjs';
import { publish } from '../fixtures/publisher.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { STAGE } from '../fixtures/watching.mjs';

/** Lines of the picture that is wanted in a window of so many pixels. */
const WINDOWS = [
  { lines: 720, width: 1400, height: 1000 },
  { lines: 360, width: 560, height: 500 },
  { lines: 180, width: 320, height: 560 },
];

test('three windows show three sizes of `footlight publish --simulcast`', async (t) => {
  const server = await startServer(t);
  const size = ['--size', '1280x720', '--fps', '10', '--bitrate', '2.5M'];
  const publisher = await publish(t, server.url, ['--pattern', '--tone', '--simulcast', ...size]);
  await assertThreeSizes(t, await launchChromium(t), publisher.watchUrl);
  assert.equal(publisher.status.reconnects, 0);
});

for (const codec of ['VP8', 'H264']) {
  test(`three windows show three sizes of what Chromium publishes in ${codec}`, async (t) => {
    const server = await startServer(t);
    const browser = await launchChromium(t);
    const page = await openPage(t, browser);
    await page.goto(await servePlainPage(t));
    await page.evaluate(([url, codec]) => window.publishLayers(url, codec), /** @type {const} */ ([`${server.url}/whip/layers`, codec]));
    await assertThreeSizes(t, browser, `${server.url}/watch/layers`);
  });
}

// In VP8 alone: Firefox encodes H.264 with a plugin that it downloads from its maker.
testInOwnNetwork('three windows show three sizes of what Firefox publishes in VP8', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const page = await (await launchFirefox(t)).newPage();
  await page.goto(await servePlainPage(t));
  await page.evaluate((url) => window.publishLayers(url, 'VP8'), `${server.url}/whip/layers`);
  await assertThreeSizes(t, await launchChromium(t), `${server.localUrl}/watch/layers`);
});

/**
 * Three viewers at the same time, each with a picture of the size that suits them, which moves.
 * @param {import('node:test').TestContext} t
 * @param {import('playwright-core').Browser} browser
 * @param {string} watchUrl
 */
async function assertThreeSizes(t, browser, watchUrl) {
  const pages = await Promise.all(
    WINDOWS.map(async ({ width, height }) => {
      const page = await openPage(t, browser, { viewport: { width, height } });
      await page.goto(watchUrl, { waitUntil: 'domcontentloaded' });
      await page.waitForSelector(STAGE, { state: 'attached' });
      return page;
    }),
  );
  for (const [index, { lines, width, height }] of WINDOWS.entries()) {
    const page = /** @type {import('playwright-core').Page} */ (pages[index]);
    const shown = () =>
      page.evaluate((stage) => {
        const video = document.querySelector(stage);
        return video instanceof HTMLVideoElement ? { lines: video.videoHeight, time: video.currentTime } : null;
      }, STAGE);
    await until(`a window of ${width} by ${height} shows ${lines} lines`, async () => {
      const now = await shown();
      if (now?.lines !== lines) throw new Error(`${now?.lines} lines`);
      return true;
    });
    const at = (await shown())?.time ?? 0;
    await until('the picture moves on', async () => ((await shown())?.time ?? 0) > at + 1);
  }
  await tells(/** @type {import('playwright-core').Page} */ (pages[0]), 720);
}

/**
 * The statistics name the lines that are sent, and what the line carries.
 * @param {import('playwright-core').Page} page
 * @param {number} lines
 */
async function tells(page, lines) {
  await page.keyboard.press('i');
  const told = page.getByTestId('person-figures');
  await until(`the statistics tell of ${lines} lines`, async () => (await told.textContent())?.includes(`to you ${lines}`));
  assert.match((await page.getByTestId('way-to-you').textContent()) ?? '', /[kM]b\/s/);
}
