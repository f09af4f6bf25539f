// What belongs together is shown and played together by the app, which keeps picture and sound in step by itself.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { makeHome, openApp, startDisplay } from '../fixtures/app.mjs';
import { launchChromium, launchFirefox, openPage } from '../fixtures/browsers.mjs';
import { goLiveInFirefox } from '../fixtures/in-firefox.mjs';
import { startLoudspeaker } from '../fixtures/loudspeaker.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import { E2E } from '../fixtures/places.mjs';
import { endStream, goLive, withoutCodec } from '../fixtures/room.mjs';
import { picturesOnAir } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { median } from '../fixtures/watching.mjs';

const METRONOME = join(E2E, 'fixtures/in-page/metronome.js');

/** How long is watched, in milliseconds. */
const WATCHED_MS = 15_000;

/** Flashes and beeps of the fifteen that tell enough: a busy machine shows fewer pictures. */
const ENOUGH = 5;

/**
 * How far apart they may be, in milliseconds: twice what is acceptable (ITU-R BT.1359-1 §3: sound up to 185 ms after the
 * picture), for a machine that does other work as well. The diagnostics show what was seen. The browser's own pictures and
 * sound, the loudspeaker's blocks and the recorder's have a share in it.
 */
const MOST_APART_MS = 370;

testInOwnNetwork('picture and sound of browsers stay together in the app', import.meta.url, inStep, { sound: true });

/** @param {import('node:test').TestContext} t */
async function inStep(t) {
  const server = await startServerInOwnNetwork(t);
  const [home, display] = [await makeHome(t), await startDisplay(t)];
  const speaker = await startLoudspeaker(t, home);
  const app = await openApp(t, { home, display, env: speaker.env });
  await app.fill('#name', 'Ada');
  await app.fill('#address', server.localUrl);
  await app.click('=Connect');
  await app.says('The stage is dark');

  /**
   * @param {import('node:test').TestContext} t
   * @param {string} session
   */
  async function staysTogether(t, session) {
    const codecs = await picturesOnAir(server.localUrl, session);
    await app.click(`a[href="/watch/${session}"]`);
    await until('the app shows flashes', () => app.evaluate(followFlashes), 60_000);
    await until('the app plays beeps', async () => (await speaker.beeps(3_000)).length > 1, 60_000);
    const from = Date.now();
    const heard = await speaker.beeps(WATCHED_MS);
    const seen = (await app.evaluate(() => window.flashes ?? [])).filter((at) => at >= from);
    assert.ok(Math.min(seen.length, heard.length) >= ENOUGH, `${seen.length} flashes and ${heard.length} beeps`);
    const apart = median(heard.map((at) => seen.map((flash) => at - flash).reduce((least, one) => (Math.abs(one) < Math.abs(least) ? one : least))));
    t.diagnostic(`heard ${apart.toFixed(0)} ms after it was seen, in ${codecs}; ${seen.length} flashes, ${heard.length} beeps`);
    assert.ok(Math.abs(apart) < MOST_APART_MS, `heard ${apart} ms after it was seen`);
    await app.click('a[href="/"]');
    return codecs;
  }

  const browser = await launchChromium(t);
  for (const codec of ['H264', 'VP8']) {
    await t.test(`Chromium, in ${codec}`, async (t) => {
      const page = await openPage(t, browser);
      await page.addInitScript({ path: METRONOME });
      if (codec === 'VP8') await withoutCodec(page, 'video/H264');
      const session = await goLive(page, server.localUrl, { name: 'Ann', title: `In ${codec}` });
      assert.deepEqual(await staysTogether(t, session), [codec]);
      await endStream(page);
      // The next one's card would move to this one's place as it goes, and what moves cannot be pressed.
      await app.says('The stage is dark');
    });
  }
  await t.test('Firefox', async (t) => {
    const page = await (await launchFirefox(t)).newPage();
    await page.evaluateOnNewDocument(await readFile(METRONOME, 'utf8'));
    const session = await goLiveInFirefox(page, server.localUrl, { name: 'Fay', title: 'By Firefox' });
    await staysTogether(t, session);
  });
}

/** Notes from now on when a picture that is white follows one that is black, in Unix milliseconds. Whether there was one. */
function followFlashes() {
  const canvas = document.querySelector('canvas[data-drawn][data-testid="stage"]');
  if (!(canvas instanceof HTMLCanvasElement)) return false;
  if (!('followed' in canvas.dataset)) {
    canvas.dataset['followed'] = '';
    window.flashes = [];
    let wasWhite = true;
    canvas.addEventListener('drawn', () => {
      const [brightness = 0] = canvas.getContext('2d')?.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data ?? [];
      const isWhite = brightness > 128;
      if (isWhite && !wasWhite) window.flashes?.push(Date.now());
      wasWhite = isWhite;
    });
  }
  return (window.flashes?.length ?? 0) > 1;
}
