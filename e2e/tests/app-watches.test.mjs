// The app receives by itself, without a browser's WebRTC: what browsers send is shown and heard in it, whatever they encode it in.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { makeHome, openApp, startDisplay } from '../fixtures/app.mjs';
import { launchChromium } from '../fixtures/browsers.mjs';
import { startLoudspeaker } from '../fixtures/loudspeaker.mjs';
import { PEOPLE, arrive, endStream, goLive, withoutCodec } from '../fixtures/room.mjs';
import { picturesOnAir, startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';

/** Who sends what; each without what is sent before it. */
const SENT = /** @type {const} */ ([
  { name: 'Ann', codec: 'H264' },
  { name: 'Bea', codec: 'VP8' },
  { name: 'Cem', codec: 'VP9' },
  { name: 'Ann', codec: 'AV1' },
]);

/** How far a colour may be off, in steps of 256, where the encoder tells how it is meant. */
const SAME = 8;

/** Pictures, of ten a second, that show that they run. */
const ENOUGH = 30;

/** Keyframes among them: one because a line got better, but not one after another. */
const MOST_KEYFRAMES = 2;

test('what Chromium sends is seen and heard in the app, untouched and in each other codec', async (t) => {
  const server = await startServer(t);
  const [home, display] = [await makeHome(t), await startDisplay(t)];
  const speaker = await startLoudspeaker(t, home);
  const app = await openApp(t, { home, display, env: speaker.env });
  await app.fill('#name', 'Ada');
  await app.fill('#address', server.url);
  await app.click('=Connect');
  await app.says('The stage is dark');
  const browser = await launchChromium(t);

  for (const [place, { name, codec }] of SENT.entries()) {
    await t.test(`${name}, in ${codec}`, async (t) => {
      const page = await arrive(t, browser, name);
      for (const { codec } of SENT.slice(0, place)) await withoutCodec(page, `video/${codec}`);
      const session = await goLive(page, server.url, { name, title: `${name}’s evening` });
      assert.deepEqual(await picturesOnAir(server.url, session), [codec]);
      await app.click(`a[href="/watch/${session}"]`);
      await until('the app shows it', () => app.evaluate(shows, PEOPLE[name].colour), 60_000);
      if (codec === 'H264') {
        const shown = await app.evaluate(() => window.shown);
        const off = PEOPLE[name].colour.map((value, index) => Math.abs(value - (shown?.[index] ?? NaN)));
        assert.ok(Math.max(...off) <= SAME, `shown as ${shown}`);
      }
      await until('the app plays it', async () => (await speaker.share(PEOPLE[name].hertz)) > 0.5, 60_000);
      const keyframes = await page.evaluate(() => window.footlight.keyframesEncoded());
      const before = await drawn(app);
      await until('its pictures run', async () => (await drawn(app)) > before + ENOUGH);
      const asked = (await page.evaluate(() => window.footlight.keyframesEncoded())) - keyframes;
      assert.ok(asked <= MOST_KEYFRAMES, `${asked} keyframes for ${ENOUGH} pictures`);
      await app.photograph(`watches-${codec}`);
      await app.click('a[href="/"]');
      await endStream(page);
      // The next one's card would move to this one's place as it goes, and what moves cannot be pressed.
      await app.says('The stage is dark');
    });
  }
});

/** @param {import('../fixtures/app.mjs').AppWindow} app */
const drawn = (app) => app.evaluate(() => window.drawn ?? 0);

/**
 * Whether the page shows a picture of one colour. From the first question on, its pictures are counted.
 * @param {readonly number[]} colour
 */
function shows(colour) {
  const canvases = [...document.querySelectorAll('canvas[data-drawn]')].filter((one) => one instanceof HTMLCanvasElement);
  return canvases.some((canvas) => {
    const pixel = canvas.getContext('2d')?.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data ?? [];
    const is = colour.every((value, index) => Math.abs(value - (pixel[index] ?? 0)) < 40);
    if (is && !('followed' in canvas.dataset)) {
      canvas.dataset['followed'] = '';
      window.drawn = 0;
      window.shown = [...pixel];
      canvas.addEventListener('drawn', () => (window.drawn = (window.drawn ?? 0) + 1));
    }
    return is;
  });
}
