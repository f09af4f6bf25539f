// Somebody without camera and microphone, or without the permission to use them, goes live with a screen.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { faults } from '../fixtures/accessibility.mjs';
import { launchChromium } from '../fixtures/browsers.mjs';
import { arrive, enter, hears, sees } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';

for (const [why, error] of /** @type {const} */ ([
  ['no camera and no microphone are there', 'NotFoundError'],
  ['camera and microphone are not allowed', 'NotAllowedError'],
])) {
  test(`a screen goes live by itself where ${why}`, async (t) => {
    const server = await startServer(t);
    const browser = await launchChromium(t);
    const ann = await arrive(t, browser, 'Ann');
    await ann.context().addInitScript((name) => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('Not here', name));
    }, error);
    await ann.goto(`${server.url}/stream`);
    await ann.getByLabel('Your name').fill('Ann');
    const button = ann.getByTestId('go-live');
    assert.equal(await button.isEnabled(), false);

    await ann.getByTestId('share-instead').click();
    const preview = ann.getByTestId('self-screen');
    await until('the screen is previewed', () =>
      preview.evaluate((video) => /** @type {HTMLVideoElement} */ (video).videoWidth > 2),
    );
    assert.equal(await ann.getByTestId('problem').count(), 0);
    assert.deepEqual(await faults(ann), []);

    await button.click();
    await ann.locator('[data-testid="live-status"][data-live="true"]').waitFor();
    const session = /** @type {string} */ (new URL(ann.url()).pathname.split('/').pop());
    const dan = await arrive(t, browser, 'Dan');
    await enter(dan, server.url, session, 'Dan');
    await sees(dan, ['Screen']);
    await hears(dan, ['Screen']);
  });
}
