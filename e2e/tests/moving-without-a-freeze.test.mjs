// A publisher that changes networks is back before ICE itself would have noticed. The aim is two seconds of standing
// picture, which the diagnostics show.
import assert from 'node:assert/strict';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { startMovingHost } from '../fixtures/moving-network.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import { SMALL, publish } from '../fixtures/publisher.mjs';
import { framesRead, lastFrame, movesOn, watch } from '../fixtures/watching.mjs';

const PATTERN = ['--pattern', '--tone', ...SMALL];

/**
 * The longest that the picture may stand still, in milliseconds. Twice the aim, for a machine that does other work as well;
 * by the timeouts of ICE it was sixteen seconds.
 */
const LONGEST_FREEZE_MS = 4_000;

/** Changes of network, of which the median counts: a machine that does other work as well delays one or the other. */
const MOVES = 3;

/**
 * How long the picture stood still at most since a frame was shown, in milliseconds. A frame that is shown once more is no
 * picture that moves.
 * @param {import('playwright-core').Page} page
 * @param {number} frame
 */
const longestFreezeSince = (page, frame) =>
  page.evaluate((from) => {
    let longest = 0;
    let last = null;
    for (const { number, shownMs } of window.pictures.readings) {
      if (number < from || (last !== null && number <= last.number)) continue;
      if (last !== null) longest = Math.max(longest, shownMs - last.shownMs);
      last = { number, shownMs };
    }
    return Math.round(longest);
  }, frame);

/**
 * As by a phone that leaves its wireless network for the cellular one: the other is there before the first is gone.
 * @param {import('node:test').TestContext} t
 * @param {import('../fixtures/moving-network.mjs').MovingHost} host
 * @param {Awaited<ReturnType<import('../fixtures/moving-network.mjs').MovingHost['link']>>} link
 * @param {import('playwright-core').Page} page
 */
async function freezes(t, host, link, page) {
  const seen = [];
  let current = link;
  for (let move = 0; move < MOVES; move += 1) {
    const next = await host.link();
    await movesOn(page, 15);
    const before = await lastFrame(page);
    await current.remove();
    current = next;
    await movesOn(page, 30);
    seen.push(await longestFreezeSince(page, before));
  }
  t.diagnostic(`froze for ${seen.join(', ')} ms`);
  return seen.toSorted((a, b) => a - b)[Math.floor(MOVES / 2)] ?? Number.NaN;
}

testInOwnNetwork('a publisher that changes networks goes on', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const host = await startMovingHost(t);
  const link = await host.link();
  const publisher = await publish(t, server.url, PATTERN, {}, host.within);
  const page = await openPage(t, await launchChromium(t));
  await watch(page, publisher.watchUrl);
  await framesRead(page, 30);
  const freeze = await freezes(t, host, link, page);
  assert.ok(freeze < LONGEST_FREEZE_MS, `the picture stood still for ${freeze} ms`);
});

testInOwnNetwork('a page that changes networks goes on', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const publisher = await publish(t, server.url, PATTERN);
  const host = await startMovingHost(t);
  const link = await host.link();
  const page = await openPage(t, await launchChromium(t, host.chromium));
  await watch(page, `${server.url}/watch/${publisher.session}`);
  await framesRead(page, 30);
  const freeze = await freezes(t, host, link, page);
  assert.ok(freeze < LONGEST_FREEZE_MS, `the picture stood still for ${freeze} ms`);
});
