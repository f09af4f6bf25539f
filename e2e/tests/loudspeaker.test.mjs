// Whoever has several loudspeakers chooses where the others are heard, while they are heard.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium } from '../fixtures/browsers.mjs';
import { arrive, enter, goLive, hears } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';

/** Chromium's own devices for tests, as they call themselves. */
const OTHER = 'Fake Audio Output 1';

test('in a browser, everybody is heard from the loudspeaker that was chosen, and again the next time', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });

  const dan = await arrive(t, browser, 'Dan');
  await dan.context().grantPermissions(['microphone'], { origin: server.url });
  await enter(dan, server.url, session, 'Dan');
  await hears(dan, ['Ann']);
  const sinks = () =>
    dan.evaluate(() => [...document.querySelectorAll('audio, video')].map((one) => /** @type {HTMLMediaElement} */ (one).sinkId));
  assert.ok((await sinks()).every((sink) => sink === ''));

  await dan.getByRole('button', { name: 'Loudspeaker' }).click();
  const picker = dan.getByTestId('loudspeaker-picker');
  assert.equal(await picker.inputValue(), '');
  await picker.selectOption({ label: OTHER });
  const chosen = await picker.inputValue();
  assert.notEqual(chosen, '');
  await until('it is used', async () => (await sinks()).includes(chosen));
  await hears(dan, ['Ann']);

  await dan.reload();
  await hears(dan, ['Ann']);
  await until('it is used the next time', async () => (await sinks()).includes(chosen));

  // Whoever is on the stage finds it beside the microphone.
  await ann.getByRole('button', { name: 'Devices and quality' }).click();
  await ann.getByTestId('loudspeaker-picker').waitFor();
});
