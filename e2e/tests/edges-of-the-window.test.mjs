// What a phone has at the edges of its window leaves all of a page within reach.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium } from '../fixtures/browsers.mjs';
import { arrive, enter, goLive } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';

/**
 * Gives a page's window a notch or rounded corners.
 * @param {import('playwright-core').Page} page
 * @param {{ top?: number, right?: number, bottom?: number, left?: number }} insets
 */
async function inset(page, insets) {
  const debug = await page.context().newCDPSession(page);
  await debug.send('Emulation.setSafeAreaInsetsOverride', { insets });
}

/** @param {import('playwright-core').Locator} locator */
async function boxOf(locator) {
  const box = await locator.boundingBox();
  if (box === null) throw new Error(`${locator} is not shown`);
  return box;
}

test('nothing that is pressed or read lies beneath a notch', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  const dan = await arrive(t, browser, 'Dan', { viewport: { width: 390, height: 740 } });
  await inset(dan, { top: 47, bottom: 34 });
  await enter(dan, server.url, session, 'Dan');
  assert.ok((await boxOf(dan.getByRole('link', { name: 'Footlight, home' }))).y >= 47);

  await inset(dan, { left: 47, right: 47, bottom: 21 });
  await dan.setViewportSize({ width: 812, height: 375 });
  const share = await boxOf(dan.getByRole('button', { name: 'Share', exact: true }));
  assert.ok(share.y + share.height <= 375 - 21);
  const stage = await boxOf(dan.getByRole('region', { name: 'Stage' }));
  assert.ok(stage.x >= 47);
  // The controls stand at the lower edge of the stage, beneath which the bar lies.
  const controls = await boxOf(dan.getByRole('button', { name: 'Full screen' }));
  assert.ok(stage.y + stage.height - controls.y - controls.height <= 12);
  const chat = await boxOf(dan.getByRole('complementary', { name: 'Chat and people' }));
  assert.ok(chat.x + chat.width <= 812 - 47);
});
