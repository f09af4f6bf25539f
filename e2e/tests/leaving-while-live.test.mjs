// Whoever is live is asked before the page is left, by its own links and by the browser's buttons.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { faults } from '../fixtures/accessibility.mjs';
import { launchChromium } from '../fixtures/browsers.mjs';
import { arrive, goLive } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';

test('leaving while live asks first, whichever way it is done', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  await ann.goto(`${server.url}/live`);
  await ann.getByRole('link', { name: 'Footlight, home' }).click();
  await ann.getByRole('link', { name: 'Go live' }).first().click();
  await ann.getByLabel('Your name').waitFor();
  // Within the pages, so that there are some to go back to.
  await goLive(ann, null, { name: 'Ann' });
  const at = ann.url();
  const question = ann.getByRole('dialog').filter({ hasText: 'Leave while you’re live?' });
  const stays = async () => {
    assert.deepEqual(await faults(ann), []);
    await question.getByRole('button', { name: 'Stay' }).click();
    await question.waitFor({ state: 'detached' });
    assert.equal(ann.url(), at);
    await ann.locator('[data-testid="live-status"][data-live="true"]').waitFor();
  };

  await ann.getByRole('link', { name: 'All streams' }).click();
  await stays();
  await ann.evaluate(() => history.back());
  await stays();
  await ann.evaluate(() => history.go(-2));
  await stays();

  await ann.evaluate(() => history.back());
  await question.getByRole('button', { name: 'Leave' }).click();
  await ann.waitForURL(`${server.url}/`);
  await ann.getByRole('link', { name: 'Go live' }).first().waitFor();
});
