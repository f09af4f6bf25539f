// A publisher without layers, whose every viewer has a narrow line, sends what that carries, and all again when it is wide.
import assert from 'node:assert/strict';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { startMovingHost } from '../fixtures/moving-network.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import { servePlainPage } from '../fixtures/plain-page.mjs';
import { until } from '../fixtures/wait.mjs';
import { STAGE } from '../fixtures/watching.mjs';

/** In kilobits per second: for a picture of 1.2 Mb/s, and for one of half of that. */
const WIDE = 5_000;
const NARROW = 700;

const SESSION = 'too-much';

/** Pictures that are sent while they are looked at. A browser on a busy machine takes its time for them. */
const SENT = 100;

/** How often so many may be sent until a third of them is shown: what was lost as the line narrowed is mended first. */
const LOTS = 6;

testInOwnNetwork('who sends more than any viewer can take is told so, and again when there is room', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const plain = await servePlainPage(t);
  const host = await startMovingHost(t);
  const line = await host.link();
  await line.carries(WIDE);
  const [publishing, watching] = [await launchChromium(t), await launchChromium(t, host.chromium)];

  /** What a session's picture takes on its way to the server, in kilobits per second. */
  const taken = async () => {
    const { tracks } = await (await fetch(`${server.localUrl}/ws/live/${SESSION}/stats`)).json();
    const picture = tracks.find((/** @type {{ kind: string }} */ { kind }) => kind === 'video');
    return (picture?.bitrate_bps ?? 0) / 1000;
  };
  const settles = async (/** @type {(rate: number) => boolean} */ wanted, /** @type {string} */ what) => {
    const begun = performance.now();
    await until(what, async () => {
      const rate = await taken();
      if (!wanted(rate)) throw new Error(`${rate} kb/s`);
      return true;
    }, 60_000);
    t.diagnostic(`${what} after ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  };

  const publisher = await openPage(t, publishing);
  await publisher.goto(plain);
  await publisher.evaluate((url) => window.publishNoise(url, 'VP8', false), `${server.url}/whip/${SESSION}`);
  const viewer = await openPage(t, watching);
  await viewer.goto(`${server.url}/watch/${SESSION}`, { waitUntil: 'domcontentloaded' });
  await viewer.waitForSelector(STAGE, { state: 'attached' });
  await settles((rate) => rate > 900, 'all that it has');

  await line.carries(NARROW);
  await settles((rate) => rate > 0 && rate < NARROW, 'what the line carries');
  const frames = () =>
    viewer.locator(STAGE).evaluate((video) => (video instanceof HTMLVideoElement ? video.getVideoPlaybackQuality().totalVideoFrames : 0));
  const sent = () => publisher.evaluate(() => window.framesSent());
  const lots = [];
  let shown = 0;
  do {
    const before = { sent: await sent(), shown: await frames() };
    await until(`${SENT} pictures more are sent`, async () => (await sent()) >= before.sent + SENT);
    shown = (await frames()) - before.shown;
    lots.push(shown);
  } while (shown <= SENT / 3 && lots.length < LOTS);
  t.diagnostic(`shown: ${lots.join(', ')} of ${SENT} each`);
  assert.ok(shown > SENT / 3, `of ${SENT} pictures each, so many were shown: ${lots.join(', ')}`);

  await line.carries(WIDE);
  await settles((rate) => rate > 900, 'all that it has again');
});
