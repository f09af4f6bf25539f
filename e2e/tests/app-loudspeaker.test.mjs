// In the app, whoever has several loudspeakers chooses where the others are heard, while they are heard.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { makeHome, openApp, startDisplay } from '../fixtures/app.mjs';
import { launchChromium } from '../fixtures/browsers.mjs';
import { startLoudspeaker } from '../fixtures/loudspeaker.mjs';
import { PEOPLE, arrive, goLive } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';

const { hertz } = PEOPLE.Ann;
const PICKER = '[data-testid="loudspeaker-picker"]';

/** As PulseAudio calls the other loudspeaker, and as it is shown. */
const [OTHER, NAME] = ['headset', 'Headset'];

test('in the app, everybody is heard from the loudspeaker that was chosen, and from the system’s own while that is away', async (t) => {
  const server = await startServer(t);
  const [home, display] = [await makeHome(t), await startDisplay(t)];
  const speaker = await startLoudspeaker(t, home);
  const pullOut = await speaker.plug(OTHER, NAME);
  const app = await openApp(t, { home, display, env: speaker.env });
  const isHeard = (/** @type {string | undefined} */ sink) => async () => (await speaker.share(hertz, sink)) > 0.5;
  const chosen = () => app.evaluate((picker) => /** @type {HTMLSelectElement} */ (document.querySelector(picker)).value, PICKER);
  const openPicker = async () => {
    await app.click('[aria-label="Loudspeaker"]');
    await app.element(PICKER);
  };
  await app.fill('#name', 'Dan');
  await app.fill('#address', server.url);
  await app.click('=Connect');
  await app.says('The stage is dark');

  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  await app.click(`a[href="/watch/${session}"]`);
  await until('the system’s own plays', isHeard(undefined));
  const loud = await speaker.loudness(hertz);
  await app.evaluate(turnDown);
  await until('it is quieter', async () => (await speaker.loudness(hertz)) < 0.7 * loud);
  // What was recorded last may have begun before it was.
  const before = await speaker.loudness(hertz);

  await openPicker();
  assert.equal(await chosen(), '');
  await app.choose(PICKER, NAME);
  await until('the other one plays', isHeard(OTHER));
  await until('the system’s own is silent', async () => (await speaker.loudness(hertz)) === 0);
  const after = await speaker.loudness(hertz, OTHER);
  assert.ok(Math.abs(after / before - 1) < 0.25, `as loud as before: ${before}, ${after}`);
  const id = await chosen();
  assert.notEqual(id, '');
  await app.photograph('loudspeaker');

  await pullOut();
  await until('the system’s own plays again', isHeard(undefined));
  await app.says(`“${NAME}” is gone. You hear everybody from the system’s own loudspeaker until it is back.`);
  assert.equal(await chosen(), '');

  await speaker.plug(OTHER, NAME);
  await until('it is used when it is back', async () => (await chosen()) === id);
  await until('it plays when it is back', isHeard(OTHER));

  await app.call('POST', '/refresh', {});
  await openPicker();
  await until('it is used the next time', async () => (await chosen()) === id);
  await until('it plays the next time', isHeard(OTHER));
  await until('the system’s own is silent again', async () => (await speaker.loudness(hertz)) === 0);
});

/** Moves the volume to the middle, as a finger on it would. */
function turnDown() {
  const slider = document.querySelector('input[aria-label="Volume"]');
  if (!(slider instanceof HTMLInputElement)) throw new Error('there is no volume');
  slider.value = '50';
  slider.dispatchEvent(new Event('input', { bubbles: true }));
}
