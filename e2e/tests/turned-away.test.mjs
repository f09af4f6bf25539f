// Whoever is not let in reads why, and what to do about it. A browser does not tell a page how its WebSocket was answered.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { faults } from '../fixtures/accessibility.mjs';
import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { act, arrive, enter, goLive, openPeople } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true };

/**
 * Waits until the page says that it was not let in, in words with this beginning.
 * @param {import('playwright-core').Page} page
 * @param {string} words
 */
async function turnedAway(page, words) {
  const state = page.locator('[data-testid="state"][data-state="refused"]');
  await state.getByText(words).waitFor();
  assert.equal(await page.getByTestId('participant').count(), 0);
  assert.deepEqual(await faults(page), []);
}

test('whoever was removed reads that on every later visit, and is shown the way to other streams', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  const dan = await arrive(t, browser, 'Dan', PHONE);
  await enter(dan, server.url, session, 'Dan');
  await act(ann, 'Dan', /Remove/, { sure: true });
  await dan.locator('[data-testid="state"][data-state="expelled"]').waitFor();
  await dan.reload();
  await turnedAway(dan, 'You cannot come back to this stream');
  assert.equal(await dan.getByRole('button', { name: 'Try again' }).count(), 0);
  await dan.getByRole('link', { name: 'See what is live now' }).click();
  await dan.waitForURL(`${server.url}/`);
});

test('a stream that is full says so, and lets the next one in when somebody leaves', async (t) => {
  const server = await startServer(t, { args: ['--max-participants', '2'] });
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  const dan = await arrive(t, browser, 'Dan');
  await enter(dan, server.url, session, 'Dan');
  await openPeople(dan);
  await dan.getByTestId('participant').first().waitFor();
  const eve = await arrive(t, browser, 'Eve');
  await enter(eve, server.url, session, 'Eve');
  await turnedAway(eve, 'This stream is full');
  await eve.getByRole('button', { name: 'Try again' }).waitFor();
  const elsewhere = await eve.getByRole('link', { name: 'See what is live now' }).boundingBox();
  assert.ok((elsewhere?.width ?? 0) > 44, 'both ways on are to be seen');
  // Within the pages, so that the place is given up and not only lost.
  await dan.getByRole('link', { name: 'Footlight, home' }).first().click();
  await eve.locator('[data-testid="state"][data-state="live"]').waitFor();
});

test('a key that opens nothing here is no reason to stay outside', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  const page = await openPage(t, browser);
  await page.goto(`${server.url}/watch/${session}?token=of.another.server`);
  await turnedAway(page, 'Your link is not good here');
  await page.getByRole('link', { name: 'Come in without the key' }).click();
  await page.locator('[data-testid="state"][data-state="live"]').waitFor();
});
