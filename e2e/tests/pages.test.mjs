import assert from 'node:assert/strict';
import { test } from 'node:test';

import { faults } from '../fixtures/accessibility.mjs';
import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { publish } from '../fixtures/publisher.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { framesRead, says, STAGE, watch } from '../fixtures/watching.mjs';

/** @typedef {import('playwright-core').Page} Page */

const DEVICES = [
  { name: 'desktop', viewport: { width: 1280, height: 800 }, hasTouch: false },
  { name: 'phone upright', viewport: { width: 360, height: 740 }, hasTouch: true },
  { name: 'phone on its side', viewport: { width: 740, height: 360 }, hasTouch: true },
];
/** @type {('dark' | 'light')[]} */
const SCHEMES = ['dark', 'light'];

test('no page has an accessibility fault, runs over the side or breaks its policy, on any device, in either theme', async (t) => {
  const server = await startServer(t);
  const publisher = await publish(t, server.url);
  const browser = await launchChromium(t);
  for (const { name, viewport, hasTouch } of DEVICES) {
    for (const colorScheme of SCHEMES) {
      const page = await openPage(t, browser, { viewport, hasTouch, colorScheme, reducedMotion: 'reduce' });
      /** @type {string[]} */
      const broken = [];
      page.on('console', (message) => {
        if (message.text().includes('Content Security Policy')) broken.push(message.text());
      });
      for (const path of ['/', '/live', `/watch/${publisher.session}`, '/stream', '/watch/nobody-is-here', '/no-such-page']) {
        await page.goto(server.url + path);
        if (path === `/watch/${publisher.session}`) await says(page, 'live');
        await page.waitForSelector('main');
        const where = `${path}, ${name}, ${colorScheme}`;
        assert.deepEqual(broken, [], where);
        assert.deepEqual(await faults(page), [], where);
        const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok((content ?? 0) <= (window ?? 0), `${where}: ${content} px wide in ${window}`);
      }
      await page.context().close();
    }
  }
});

test('the grid shows every live stream, playing', async (t) => {
  const server = await startServer(t);
  const publishers = [await publish(t, server.url), await publish(t, server.url)];
  const page = await openPage(t, await launchChromium(t));
  await page.goto(`${server.url}/live`);
  for (const { session } of publishers) {
    const video = page.locator(`[data-testid="tile"][data-session="${session}"] video`);
    await until(`the tile of ${session} plays`, () =>
      video.evaluate((element) => /** @type {HTMLVideoElement} */ (element).getVideoPlaybackQuality().totalVideoFrames > 30),
    );
  }
  // Previews are no viewers.
  assert.deepEqual((await server.sessions()).map((session) => session.viewer_count), [0, 0]);
});

test('a stream can be found, watched and silenced with the keyboard alone', async (t) => {
  const server = await startServer(t);
  const publisher = await publish(t, server.url);
  const page = await openPage(t, await launchChromium(t));
  await page.goto(server.url);
  const tile = page.locator(`[data-testid="tile"][data-session="${publisher.session}"]`);
  await tile.waitFor();
  await until('Tab reaches the tile', async () => {
    await page.keyboard.press('Tab');
    return tile.evaluate((element) => element === document.activeElement || element.contains(document.activeElement));
  });
  await page.keyboard.press('Enter');
  await page.waitForURL(`**/watch/${publisher.session}`);
  await says(page, 'live');
  const muted = () => page.locator(STAGE).evaluate((video) => /** @type {HTMLVideoElement} */ (video).muted);
  const before = await muted();
  await page.keyboard.press('m');
  await until('m switches the sound', async () => (await muted()) !== before);
});

test('a page that was opened too early picks the stream up when it starts', async (t) => {
  const server = await startServer(t);
  const page = await openPage(t, await launchChromium(t));
  await page.goto(`${server.url}/watch/early-bird`);
  await says(page, 'not-found');
  await publish(t, `${server.url}/whip/early-bird`);
  await says(page, 'live');
});

test('a server that is told to end ends well, and whoever watches is told that it will be back', async (t) => {
  const server = await startServer(t);
  const publisher = await publish(t, server.url);
  const page = await openPage(t, await launchChromium(t));
  await watch(page, publisher.watchUrl);
  await framesRead(page, 10);
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);

  server.program.signal('SIGTERM');
  await says(page, 'reconnecting');
  assert.equal(await server.program.ended, `${server.program.name} ended with status 0`);
});

test('a publisher that is told to end takes the session with it, and the page says that it is over', async (t) => {
  const server = await startServer(t);
  const publisher = await publish(t, server.url);
  const page = await openPage(t, await launchChromium(t));
  await watch(page, publisher.watchUrl);
  await framesRead(page, 10);
  publisher.program.signal('SIGINT');
  assert.equal(await publisher.program.ended, `${publisher.program.name} ended with status 0`);
  await says(page, 'ended');
  await until('nothing is listed as live', async () => (await server.sessions()).length === 0);
  assert.equal((await fetch(`${server.url}/ws/live/${publisher.session}/stats`)).status, 404);
});
