// What lies over the page goes when it is meant to go, and not before.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { goLive } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';

test('a dialog stays while text in it is marked beyond its edge, and goes at a click beside it', async (t) => {
  const server = await startServer(t);
  const page = await openPage(t, await launchChromium(t), { viewport: { width: 900, height: 640 } });
  await goLive(page, server.url, { name: 'Ann' });
  await page.getByRole('button', { name: 'Share', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Share this stream' });
  await dialog.waitFor();
  const words = await dialog.getByText('Point a phone').boundingBox();
  if (words === null) throw new Error('its words are not shown');

  await page.mouse.move(words.x + 20, words.y + words.height / 2);
  await page.mouse.down();
  await page.mouse.move(20, words.y + words.height / 2, { steps: 5 });
  await page.mouse.up();
  assert.ok(await dialog.isVisible());

  await page.mouse.click(20, words.y);
  await dialog.waitFor({ state: 'detached' });
});
