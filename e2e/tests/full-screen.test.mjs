// What is asked for and what happens in full screen is seen.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium } from '../fixtures/browsers.mjs';
import { arrive, enter, goLive, openPeople, toast } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @param {Page} page */
const fillsScreen = (page) => page.evaluate(() => document.fullscreenElement !== null);

/** @param {Page} page */
async function fillScreen(page) {
  await page.getByRole('button', { name: 'Full screen', exact: true }).click();
  await until('the picture fills the screen', () => fillsScreen(page), 10_000);
}

test('a toast lies over a picture that fills the screen, and the statistics bring the page back', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  const dan = await arrive(t, browser, 'Dan', { viewport: { width: 480, height: 800 } });
  await enter(dan, server.url, session, 'Dan');
  await dan.locator('[data-testid="state"][data-state="live"]').waitFor({ state: 'attached' });
  await fillScreen(dan);
  await openPeople(ann);
  await ann.getByLabel('Slow mode').selectOption({ label: '5 s between messages' });
  await toast(dan, /^Slow mode/);
  const dismiss = dan.getByTestId('toasts').getByRole('button', { name: 'Dismiss' });
  const onTop = await dismiss.evaluate((button) => {
    const { left, right, top, bottom } = button.getBoundingClientRect();
    return button.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2));
  });
  assert.ok(onTop);

  const heading = dan.getByRole('heading', { name: 'Statistics' });
  const seesStatistics = () =>
    until(
      'the statistics are in the window',
      async () => {
        const box = await heading.boundingBox();
        return !(await fillsScreen(dan)) && box !== null && box.y >= 0 && box.y < 760;
      },
      10_000,
    );
  await dan.getByRole('button', { name: 'Statistics', exact: true }).click();
  await seesStatistics();
  // Those that were open before are meant as well.
  await fillScreen(dan);
  await dan.keyboard.press('i');
  await seesStatistics();
  await dan.keyboard.press('i');
  await heading.waitFor({ state: 'detached' });
});
