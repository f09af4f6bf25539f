// The browser's small window over all others shows whoever has the word, or what was made large.
import { test } from 'node:test';

import { launchChromium } from '../fixtures/browsers.mjs';
import { PEOPLE, arrive, comeOnStage, enter, goLive } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';

/**
 * Waits until the small window shows this person.
 * @param {import('playwright-core').Page} page
 * @param {keyof typeof PEOPLE} name
 */
async function showsSmall(page, name) {
  await until(`the small window shows ${name}`, () =>
    page.evaluate(([red = 0, green = 0, blue = 0]) => {
      const video = /** @type {HTMLVideoElement | null} */ (document.pictureInPictureElement);
      if (video === null || video.videoWidth === 0) return false;
      const context = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(1, 1).getContext('2d'));
      const { videoWidth: width, videoHeight: height } = video;
      context.drawImage(video, width * 0.4, height * 0.4, width * 0.2, height * 0.2, 0, 0, 1, 1);
      const [r = 0, g = 0, b = 0] = context.getImageData(0, 0, 1, 1).data;
      return Math.hypot(red - r, green - g, blue - b) < 60;
    }, PEOPLE[name].colour),
  );
}

test('the small window follows who speaks, and what is made large', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  const bea = await arrive(t, browser, 'Bea');
  await enter(bea, server.url, session, 'Bea');
  await comeOnStage(bea, ann, 'Bea');
  const dan = await arrive(t, browser, 'Dan');
  await enter(dan, server.url, session, 'Dan');

  await bea.getByTestId('microphone-switch').click();
  const ofAnn = dan.getByRole('button', { name: /^Ann, .*Show large/ });
  await ofAnn.waitFor();
  await dan.getByRole('button', { name: 'Picture-in-picture' }).click();
  await showsSmall(dan, 'Ann');

  await ann.getByTestId('microphone-switch').click();
  await bea.getByTestId('microphone-switch').click();
  await showsSmall(dan, 'Bea');

  await ofAnn.click();
  await showsSmall(dan, 'Ann');
});
