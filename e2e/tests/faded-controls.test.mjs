// On a touch screen, controls that cannot be seen are not pressed.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium } from '../fixtures/browsers.mjs';
import { arrive, enter, goLive } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';

test('a tap on controls that have faded brings them back, and the next one presses them', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  const dan = await arrive(t, browser, 'Dan', { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
  await enter(dan, server.url, session, 'Dan');
  await dan.locator('[data-testid="state"][data-state="live"]').waitFor({ state: 'attached' });
  const statistics = dan.getByRole('button', { name: 'Statistics', exact: true });
  const controls = dan.getByRole('group', { name: 'Playback' });
  const opacity = () => controls.evaluate((group) => Number(getComputedStyle(group.parentElement ?? group).opacity));
  const open = dan.getByRole('complementary', { name: 'Statistics' });

  await until('the controls have faded', async () => (await opacity()) === 0, 20_000);
  await statistics.tap();
  await until('they are back', async () => (await opacity()) === 1, 20_000);
  assert.equal(await open.count(), 0);
  await statistics.tap();
  await open.waitFor();
});
