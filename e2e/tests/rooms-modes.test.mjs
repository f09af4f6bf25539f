// The three modes of a session: what each takes, and how many people.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium } from '../fixtures/browsers.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import { acceptAll, arrive, arriveInFirefox, enter, goLive, goOnStage, hears, sees, toast, withoutCodec } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { crowd } from '../fixtures/wire.mjs';

for (const { mode, guests, isSeen } of [
  { mode: 'voice', guests: 8, isSeen: false },
  { mode: 'camera', guests: 10, isSeen: true },
  { mode: 'studio', guests: 20, isSeen: true },
]) {
  test(`${mode} has ${guests} guests, and one more is refused in words until there is room`, async (t) => {
    const server = await startServer(t);
    const browser = await launchChromium(t);
    const ann = await arrive(t, browser, 'Ann');
    const session = await goLive(ann, server.url, { name: 'Ann', mode });
    const extras = await crowd(await arrive(t, browser, 'Extras'), server, session, guests);
    await acceptAll(ann, guests);

    const bea = await arrive(t, browser, 'Bea');
    await enter(bea, server.url, session, 'Bea');
    await bea.getByTestId('ask').click();
    await ann.getByRole('button', { name: 'Accept Bea' }).click();
    await toast(ann, `the stage is full: ${guests} people may be on it beside the host`);
    // She has not been told that she may, and asks still.
    assert.equal(await bea.getByRole('dialog').count(), 0);
    await ann.getByRole('button', { name: 'Accept Bea' }).waitFor();

    await extras.leave();
    const onStage = ann.locator('[data-testid="participant"][data-role="guest"]');
    await until('one has left', async () => (await onStage.count()) === guests - 1);
    await ann.getByRole('button', { name: 'Accept Bea' }).click();
    await bea.getByRole('dialog').getByTestId('microphone-switch').waitFor();
    for (const control of ['camera-picker', 'camera-switch']) {
      assert.equal(await bea.getByRole('dialog').getByTestId(control).count(), isSeen ? 1 : 0, control);
    }
    await goOnStage(bea);
    for (const [page, other] of /** @type {const} */ ([
      [ann, 'Bea'],
      [bea, 'Ann'],
    ])) {
      await hears(page, [other]);
      await sees(page, isSeen ? [other] : []);
    }
  });
}

// Each picture and each sound is a section of the offer, and an offer is one frame of 64 KiB at the most.
testInOwnNetwork('a full studio is seen whole, in Chromium and in Firefox', import.meta.url, async (t) => {
  const guests = 20;
  const server = await startServerInOwnNetwork(t);
  const browser = await launchChromium(t);
  const [ann, extras] = [await arrive(t, browser, 'Ann'), await arrive(t, browser, 'Extras')];
  // This Firefox decodes H.264 with a plugin that it downloads from its maker.
  for (const page of [ann, extras]) await withoutCodec(page, 'video/H264');
  const session = await goLive(ann, server.localUrl, { name: 'Ann', mode: 'studio' });
  await crowd(extras, server, session, guests, { sends: true });
  await acceptAll(ann, guests);

  const inChromium = await arrive(t, browser, 'Viewer');
  await inChromium.goto(`${server.localUrl}/watch/${session}?username=Viewer`);
  await runs(inChromium, guests + 1);
  const inFirefox = await arriveInFirefox(t, 'Viewer');
  await inFirefox.goto(`${server.url}/watch/${session}?username=Viewer`, { waitUntil: 'domcontentloaded' });
  await runs(inFirefox, guests + 1);
});

/**
 * @param {import('../fixtures/room.mjs').Evaluates} watcher
 * @param {number} pictures
 */
async function runs(watcher, pictures) {
  await until(`${pictures} pictures run`, async () => {
    const running = await watcher.evaluate(() => {
      const videos = [...document.querySelectorAll('video')];
      return videos.filter(({ videoWidth, currentTime }) => videoWidth > 0 && currentTime > 0).length;
    });
    if (running !== pictures) throw new Error(`${running}`);
    return true;
  });
}
