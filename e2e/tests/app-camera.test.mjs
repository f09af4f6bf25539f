// The app with a real camera and a real sound card, as far as its drivers can tell.
import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { HOST_FROM_VM, openAppOnCameraMachine } from '../fixtures/devices.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { bars, followSound, isColourBars, says, STAGE, watch } from '../fixtures/watching.mjs';

test('what camera and microphone take is sent by the app, and seen and heard in a browser', async (t) => {
  const server = await startServer(t, { args: ['--advertise', HOST_FROM_VM] });
  const app = await openAppOnCameraMachine(t);
  await app.fill('#name', 'Ada');
  await app.fill('#address', `http://${HOST_FROM_VM}:${server.port}`);
  await app.click('=Connect');
  await app.click('=Go live');
  // The emulated machine encodes a tenth as fast as a real one.
  await app.choose('[data-testid="height-picker"]', '360p');
  await app.choose('[data-testid="camera-picker"]', 'vivid');
  await app.click('[data-testid="clean-voice"]');
  await until('the camera is previewed', () =>
    app.evaluate(() => document.querySelector('canvas[data-testid="self"]')?.hasAttribute('data-drawn') ?? false),
  );
  await until('the meter moves', () =>
    app.evaluate(() => Number(document.querySelector('[data-testid="level"]')?.getAttribute('aria-valuenow')) > 0),
  );
  await app.photograph('camera');
  await app.click('[data-testid="go-live"]');
  await app.element('[data-testid="live-status"][data-live="true"]');
  const session = /** @type {string} */ (new URL(await app.url()).pathname.split('/').pop());

  const page = await openPage(t, await launchChromium(t));
  await watch(page, `${server.url}/watch/${session}`);
  await says(page, 'live', 120_000);
  await until('the seven colour bars of the camera are in the picture', async () => isColourBars(await bars(page)), 120_000);
  const frames = () => page.locator(STAGE).evaluate((video) => /** @type {HTMLVideoElement} */ (video).getVideoPlaybackQuality().totalVideoFrames);
  const before = await frames();
  await until('the picture runs', async () => (await frames()) > before + 10, 120_000);
  await followSound(page);
  // The emulated machine leaves gaps in the sound; what there is of it is the whistle.
  await until('the whistle is heard', () =>
    page.evaluate(() => window.sound.pieces.some(({ frequency, share }) => Math.abs(frequency - 440) < 15 && share > 0.5)),
  );
});
