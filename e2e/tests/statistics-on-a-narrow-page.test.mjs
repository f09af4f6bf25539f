// What is opened by a key is seen, also where it stands beneath a picture that fills the window.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { arrive, comeOnStage, enter, goLive } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';

test('the key for the statistics brings them into a narrow window, and away again', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  // Two on the stage fill a narrow page.
  const bea = await arrive(t, browser, 'Bea');
  await enter(bea, server.url, session, 'Bea');
  await comeOnStage(bea, ann, 'Bea');
  const page = await openPage(t, browser, { viewport: { width: 480, height: 800 } });
  await enter(page, server.url, session, 'Dan');
  await page.locator('[data-testid="state"][data-state="live"]').waitFor({ state: 'attached' });

  await page.keyboard.press('i');
  const heading = page.getByRole('heading', { name: 'Statistics' });
  await until('the statistics are in the window', async () => {
    const box = await heading.boundingBox();
    return box !== null && box.y >= 0 && box.y < 200;
  });
  const open = page.getByRole('complementary', { name: 'Statistics' });
  assert.equal(await open.count(), 1);
  await page.keyboard.press('i');
  await until('they are gone', async () => (await open.count()) === 0);
});
