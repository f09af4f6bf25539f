import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { publish } from '../fixtures/publisher.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { assertOnlyForward, framesRead, watch } from '../fixtures/watching.mjs';

const PUBLISHERS = 2;
const VIEWERS = 12;

/** Twelve decoders and two encoders share two cores. */
const TINY = ['--pattern', '--tone', '--size', '256x144', '--fps', '10', '--bitrate', '250k'];

test('two publishers and twelve viewers: everybody sees their stream, and leaving frees everything', async (t) => {
  const server = await startServer(t);
  const publishers = [];
  for (let index = 0; index < PUBLISHERS; index += 1) publishers.push(await publish(t, server.url, TINY));
  const before = await figures(server);

  const browser = await launchChromium(t);
  const pages = [];
  for (let index = 0; index < VIEWERS; index += 1) {
    const page = await openPage(t, browser, { viewport: { width: 480, height: 320 } });
    await watch(page, /** @type {any} */ (publishers[index % PUBLISHERS]).watchUrl);
    pages.push(page);
  }
  for (const page of pages) assertOnlyForward(await framesRead(page, 30));
  const during = await figures(server);
  assert.equal(during.viewers, VIEWERS);
  assert.equal(during.peers, before.peers + VIEWERS);

  const leaver = /** @type {import('playwright-core').Page} */ (pages.pop());
  await leaver.context().close();
  await until('one viewer less', async () => (await figures(server)).viewers === VIEWERS - 1);

  for (const page of pages) await page.context().close();
  await until('the figures are back where they were', async () => {
    assert.deepEqual(await figures(server), before);
    return true;
  });
});

test('a late viewer gets its first picture from a keyframe that its joining asked for', async (t) => {
  const server = await startServer(t);
  const publisher = await publish(t, server.url, TINY);
  const browser = await launchChromium(t);
  const early = await openPage(t, browser);
  await watch(early, publisher.watchUrl);
  await framesRead(early, 20);

  const asked = await requestsSent(server);
  const keyframes = await keyframesDecoded(early);
  // The encoder makes no keyframe of its own accord: none comes while nobody joins.
  await framesRead(early, 80);
  assert.equal(await keyframesDecoded(early), keyframes);
  assert.equal(await requestsSent(server), asked);

  const late = await openPage(t, browser);
  await watch(late, publisher.watchUrl);
  await framesRead(late, 10);
  assert.ok((await requestsSent(server)) > asked, 'the server asked the publisher for no keyframe');
  await until('the new keyframe reached the early viewer too', async () => (await keyframesDecoded(early)) > keyframes);
});

/** @param {import('playwright-core').Page} page */
const keyframesDecoded = (page) => page.evaluate(() => window.footlight.keyframesDecoded());

/** @param {import('../fixtures/server.mjs').Server} server */
async function requestsSent(server) {
  return (await server.metrics()).sum('footlight_keyframe_requests_total', 'sent');
}

/**
 * What must come back to where it was once the viewers are gone.
 * @param {import('../fixtures/server.mjs').Server} server
 */
async function figures(server) {
  const metrics = await server.metrics();
  return {
    viewers: metrics.sum('footlight_viewers'),
    peers: metrics.sum('footlight_peers'),
    slots: metrics.sum('footlight_slots'),
    tracks: metrics.sum('footlight_tracks'),
    sessions: metrics.sum('footlight_sessions'),
  };
}
