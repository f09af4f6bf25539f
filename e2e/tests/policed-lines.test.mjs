// Lines that lose what is above their rate, and queue nothing: a viewer's, and a publisher's.
import assert from 'node:assert/strict';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { startMovingHost } from '../fixtures/moving-network.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import { built, jsonLine, startProgram } from '../fixtures/programs.mjs';
import { publish } from '../fixtures/publisher.mjs';
import { servePlainPage } from '../fixtures/plain-page.mjs';
import { until } from '../fixtures/wait.mjs';
import { STAGE } from '../fixtures/watching.mjs';

/** In kilobits per second: for the layer of 1.2 Mb/s, and for that of 300 kb/s. */
const WIDE = 5_000;
const NARROW = 500;

/** For a small picture of the test pattern, which takes 180 at 360 lines. */
const SMALL = 130;

testInOwnNetwork('a viewer on a policed line is shown the layer that fits it, and the larger one when it is wide', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const browser = await launchChromium(t);
  const publisher = await openPage(t, browser);
  await publisher.goto(await servePlainPage(t));
  await publisher.evaluate((url) => window.publishNoise(url, 'VP8'), `${server.url}/whip/layers`);

  const host = await startMovingHost(t);
  const line = await host.link({ impaired: { delayMs: 20, loss: 0 } });
  await line.letsThrough(WIDE, WIDE);
  const page = await openPage(t, await launchChromium(t, host.chromium), { viewport: { width: 1400, height: 1000 } });
  await page.goto(`${server.url}/watch/layers`, { waitUntil: 'domcontentloaded' });
  await page.waitForSelector(STAGE, { state: 'attached' });
  const seen = () => page.locator(STAGE).evaluate((video) => {
    if (!(video instanceof HTMLVideoElement)) throw new Error('no picture');
    return { lines: video.videoHeight, frames: video.getVideoPlaybackQuality().totalVideoFrames };
  });
  const reaches = async (/** @type {number} */ lines, /** @type {string} */ what) => {
    const begun = performance.now();
    await until(what, async () => (await seen()).lines === lines);
    t.diagnostic(`${what} after ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  };
  await reaches(360, '360 lines at first');

  await line.letsThrough(WIDE, NARROW);
  await reaches(180, '180 lines on the narrow line');
  // In each second there are pictures.
  const frames = [(await seen()).frames];
  for (let second = 0; second < 20; second += 1) {
    await page.waitForTimeout(1_000);
    frames.push((await seen()).frames);
  }
  const each = frames.slice(1).map((now, at) => now - (frames[at] ?? 0));
  t.diagnostic(`pictures in each second: ${each.join(' ')}`);
  assert.ok(each.slice(3).every((count) => count > 0), `pictures in each second: ${each.join(' ')}`);

  await line.letsThrough(WIDE, WIDE);
  await reaches(360, '360 lines on the wide line');
});

testInOwnNetwork('`footlight publish` sends no more than a policed line lets through, and all of it when it is wide', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const host = await startMovingHost(t);
  const line = await host.link({ impaired: { delayMs: 20, loss: 0 } });
  await line.letsThrough(WIDE, WIDE);
  const media = ['--pattern', '--tone', '--size', '640x360', '--fps', '15', '--bitrate', '1M'];
  const publisher = await publish(t, server.url, media, {}, host.within);
  const viewer = startProgram(t, 'watch', built('examples/watch'), [`${server.localUrl}/whep/${publisher.session}`]);
  /** @type {Record<string, any>[]} */
  const reports = [];
  viewer.onLine((text) => {
    const report = jsonLine(text);
    if (report !== undefined) reports.push(report);
  });
  await until('the picture runs', () => reports.at(-1)?.frames > 30);
  await until('all of it is sent', () => publisher.status.target_bps > 900_000, 60_000);

  await line.letsThrough(SMALL, WIDE);
  await until('less is sent', () => publisher.status.target_bps < SMALL * 1_000, 20_000);
  // Keyframes take most of so narrow a line until one has come through.
  const shown = reports.at(-1)?.frames;
  await until('the picture runs again', () => reports.at(-1)?.frames > shown + 10, 40_000);
  const settled = reports.length;
  await until('twenty seconds', () => reports.length >= settled + 20, 40_000);
  const narrow = reports.slice(settled, settled + 20);
  const each = narrow.slice(1).map(({ frames }, at) => frames - narrow[at]?.frames);
  t.diagnostic(`pictures in each second: ${each.join(' ')}; ${JSON.stringify(publisher.status)}`);
  const heard = narrow.filter(({ frequency }) => Math.abs(frequency - 440) < 15).length;
  assert.ok(heard >= 19, `heard in ${heard} of 20 seconds`);
  assert.ok(narrow.at(-1)?.frames - narrow[0]?.frames >= 40, `pictures in each second: ${each.join(' ')}`);
  assert.ok(publisher.status.loss < 0.15, `${publisher.status.loss} lost`);

  await line.letsThrough(WIDE, WIDE);
  const widened = performance.now();
  await until('all of it is sent again', () => publisher.status.target_bps > 900_000, 60_000);
  t.diagnostic(`all of it again after ${((performance.now() - widened) / 1000).toFixed(1)} s`);
});
