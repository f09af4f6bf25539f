// The app publishes by itself, without a browser's WebRTC: what it captures, encodes and sends arrives in a browser.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { ENTER, makeHome, openApp, startDisplay } from '../fixtures/app.mjs';
import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { PEOPLE, arrive, enter, goOnStage, reads, say } from '../fixtures/room.mjs';
import { E2E, PYTHON } from '../fixtures/places.mjs';
import { run } from '../fixtures/programs.mjs';
import { startLoudspeaker } from '../fixtures/loudspeaker.mjs';
import { startAgain, startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { assertOnlyForward, delays, followSound, followStage, framesRead, median, movesOn, pictures, says, toneHeard, watch } from '../fixtures/watching.mjs';

/** What the microphone of this computer hears, in hertz. */
const VOICE = 2200;

/** How long the computer sleeps, in milliseconds: longer than the server waits for a publisher's packets before it gives up. */
const SLEEP_MS = 40_000;

test('the app goes live with its own devices, is seen and heard, and talks with who watches', async (t) => {
  const server = await startServer(t);
  const [home, display] = [await makeHome(t), await startDisplay(t)];
  const speaker = await startLoudspeaker(t, home, { voice: VOICE });
  const app = await openApp(t, { home, display, env: speaker.env });
  await app.fill('#name', 'Ada');
  await app.fill('#address', server.url);
  await app.click('=Connect');
  await app.click('=Go live');

  await app.choose('[data-testid="camera-picker"]', 'Test pattern');
  await app.choose('[data-testid="microphone-picker"]', 'Test tone');
  await app.fill('input[id$="-title"]', 'Ada’s evening');
  await until('the preview is drawn', () =>
    app.evaluate(() => document.querySelector('canvas[data-testid="self"]')?.hasAttribute('data-drawn') ?? false),
  );
  await until('the meter shows the tone', () =>
    app.evaluate(() => Number(document.querySelector('[data-testid="level"]')?.getAttribute('aria-valuenow')) > 0.5),
  );
  await app.photograph('studio');
  await app.click('[data-testid="go-live"]');
  await app.element('[data-testid="live-status"][data-live="true"]');
  const session = /** @type {string} */ (new URL(await app.url()).pathname.split('/').pop());

  const browser = await launchChromium(t);
  const page = await openPage(t, browser, { viewport: { width: 1280, height: 800 } });
  await watch(page, `${server.url}/watch/${session}`);
  await says(page, 'live');
  assertOnlyForward(await framesRead(page, 60));
  await followSound(page);
  assert.equal(median(await toneHeard(page, 10)), 440);
  await app.photograph('live');

  await t.test('sound and picture arrive together', async (t) => {
    const { sound, picture } = await delays(page, 8);
    t.diagnostic(`shown ${picture.toFixed(0)} ms and heard ${sound.toFixed(0)} ms after capture`);
    assert.ok(Math.abs(sound - picture) < 100, `sound ${sound} ms, picture ${picture} ms`);
  });

  await t.test('chat goes both ways', async () => {
    await say(page, 'Good evening');
    await app.says('Good evening');
    await app.fill('[role="tabpanel"] textarea', `Welcome to the show${ENTER}`);
    await reads(page, 'Welcome to the show');
  });

  await t.test('the camera off and on again keeps the picture going', async () => {
    await movesOn(page, 30);
    await app.click('[data-testid="camera-switch"]');
    await app.click('[data-testid="camera-switch"]');
    await movesOn(page, 30);
  });

  await t.test('the microphone of this computer is heard in place of the test tone', async () => {
    await app.click('[aria-label="Devices and quality"]');
    await app.choose('dialog [data-testid="microphone-picker"]', 'Default Audio Device');
    await app.click('dialog [aria-label="Close"]');
    await until('the microphone is heard', async () => Math.abs(median((await toneHeard(page, 1)).slice(-5)) - VOICE) < 8);
  });

  await t.test('what is sent is recorded on this computer, and plays', async () => {
    await app.click('[data-testid="record-switch"]');
    // Four seconds or more: whoever looks while much is going on does not see each of them.
    await app.says(/Recording to .*Footlight · 0:(0[4-9]|[1-5]\d)/);
    await app.photograph('recording');
    await app.click('[data-testid="record-switch"]');
    await app.says('Recorded to');
    const file = await app.evaluate(
      () => /Recorded to (.*\.mp4)/.exec(document.querySelector('[data-testid="recording-news"]')?.textContent ?? '')?.[1] ?? '',
    );
    assert.match(file, /Footlight\/Ada s evening.*\.mp4$/);
    const recorded = await decoded(file);
    assert.deepEqual([recorded.width, recorded.height, recorded.rate], [1280, 720, 48_000]);
    assert.ok(recorded.pictures >= 80, `${recorded.pictures} pictures`);
    assert.ok(recorded.seconds >= 3, `${recorded.seconds} s of sound`);
  });

  await t.test('the server is killed and started again, and the stream goes on', async () => {
    await server.program.kill();
    await app.element('[data-testid="live-status"][data-live="false"]');
    await says(page, 'reconnecting');
    await startAgain(t, server);
    await app.element('[data-testid="live-status"][data-live="true"]');
    await says(page, 'live', 120_000);
    await movesOn(page, 30);
    assertOnlyForward(await pictures(page));
    await app.says('Ada’s evening');
  });

  await t.test('the computer sleeps, and wakes up on air', async () => {
    app.program.signal('SIGSTOP');
    await sleep(SLEEP_MS);
    app.program.signal('SIGCONT');
    await app.element('[data-testid="live-status"][data-live="true"]');
    await says(page, 'live', 120_000);
    await followStage(page);
    await movesOn(page, 30);
    assertOnlyForward(await pictures(page));
  });

  await t.test('a guest from a browser is shown and heard in the app', async () => {
    const bea = await arrive(t, browser, 'Bea');
    await enter(bea, server.url, session, 'Bea');
    await bea.getByTestId('ask').click();
    await app.click('[role="tab"]:nth-of-type(2)');
    await app.click('[aria-label="Accept Bea"]');
    await goOnStage(bea);
    await until('the app draws the guest', () => app.evaluate(isDrawn, PEOPLE.Bea.colour), 60_000);
    await until('the guest is heard', async () => (await speaker.share(PEOPLE.Bea.hertz)) > 0.5, 60_000);
    await app.photograph('guest');

    // From the loudspeaker into the microphone of the same computer: the guest would hear herself.
    await speaker.echo();
    await until('the guest hears no echo of herself', () => hearsOnly(bea, []));
    await app.click('[aria-label="Devices and quality"]');
    await app.photograph('devices');
    await app.click('[data-testid="clean-voice"]');
    await until('she hears herself where nothing is done about it', () => hearsOnly(bea, [PEOPLE.Bea.hertz]));
    await app.click('[data-testid="clean-voice"]');
    await until('she hears herself no more', () => hearsOnly(bea, []));
    await app.click('dialog [aria-label="Close"]');
  });
});

/**
 * Whether the loudest of each sound that a page plays is at one of these pitches, and none is missing.
 * @param {import('playwright-core').Page} page
 * @param {number[]} pitches in hertz
 */
async function hearsOnly(page, pitches) {
  const tones = await page.evaluate(() => window.person.tones());
  const same = tones.length === pitches.length && tones.every((tone, index) => Math.abs(tone - (pitches[index] ?? 0)) <= 10);
  if (!same) throw new Error(`heard: ${tones.map(Math.round).join(', ') || 'nothing'}`);
  return true;
}

/**
 * What an independent decoder makes of a recording.
 * @param {string} file
 * @returns {Promise<{ pictures: number, width: number, height: number, seconds: number, rate: number }>}
 */
async function decoded(file) {
  return JSON.parse(await run(PYTHON, [join(E2E, 'interop/decode.py'), file]));
}

/**
 * Whether a slot of the page shows a picture of one colour.
 * @param {readonly number[]} colour
 */
function isDrawn(colour) {
  return [...document.querySelectorAll('canvas[data-drawn]:not([data-testid="self"])')].some((canvas) => {
    if (!(canvas instanceof HTMLCanvasElement)) return false;
    const pixel = canvas.getContext('2d')?.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data ?? [];
    return colour.every((value, index) => Math.abs(value - (pixel[index] ?? 0)) < 40);
  });
}
