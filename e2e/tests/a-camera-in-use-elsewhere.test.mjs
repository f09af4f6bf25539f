// A camera that another program uses is not shown as if it were on, and is the one that is tried again.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';

/**
 * Has one camera be in use elsewhere, for as long as `window.busy` names it.
 * @param {import('playwright-core').Page} page
 */
const withABusyCamera = (page) =>
  page.addInitScript(() => {
    const { mediaDevices } = navigator;
    const open = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async (constraints) => {
      const busy = /** @type {any} */ (window).busy;
      if (busy !== undefined && JSON.stringify(constraints).includes(busy)) throw new DOMException('', 'NotReadableError');
      return open(constraints);
    };
  });

test('the list shows the camera that is on, and “Try again” opens the one that was chosen', async (t) => {
  const server = await startServer(t);
  const page = await openPage(t, await launchChromium(t, { cameras: 2 }));
  await withABusyCamera(page);
  await page.goto(`${server.url}/stream`);
  const picker = page.getByTestId('camera-picker');
  await until('the cameras are listed', async () => (await picker.locator('option').count()) === 2);
  const on = await until('one is on', () => picker.inputValue());
  const values = await picker.locator('option').evaluateAll((all) => all.map((one) => one.getAttribute('value') ?? ''));
  const other = values.find((value) => value !== on) ?? '';

  await page.evaluate((busy) => Object.assign(window, { busy }), other);
  await picker.selectOption(other);
  const problem = page.locator('[data-testid="problem"][data-about="camera"]');
  await problem.waitFor();
  await until('the camera before is shown again', async () => (await picker.inputValue()) === on, 10_000);

  await page.evaluate(() => Object.assign(window, { busy: undefined }));
  await problem.getByRole('button', { name: 'Try again' }).click();
  await problem.waitFor({ state: 'detached' });
  assert.equal(await picker.inputValue(), other);
});
