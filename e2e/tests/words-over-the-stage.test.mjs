// What is said over the stage can be read, and is said to whom it is meant for.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { faults } from '../fixtures/accessibility.mjs';
import { launchChromium } from '../fixtures/browsers.mjs';
import { arrive, comeOnStage, enter, goLive, openPeople } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { throughAWire } from '../fixtures/wire.mjs';

test('nothing covers the words about a lost network, and a host is not thanked for watching', async (t) => {
  const server = await startServer(t);
  const wire = await throughAWire(t, server);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann', { viewport: { width: 360, height: 740 }, hasTouch: true });
  const session = await goLive(ann, wire.url, { name: 'Ann' });
  const bea = await arrive(t, browser, 'Bea');
  await enter(bea, server.url, session, 'Bea');
  await comeOnStage(bea, ann, 'Bea');
  await openPeople(bea);
  assert.deepEqual(await faults(bea), []);

  await ann.context().setOffline(true);
  wire.cut();
  const state = ann.getByTestId('state');
  await ann.locator('[data-testid="state"][data-state="offline"]').waitFor();
  await until('the words lie above all else', () =>
    state.evaluate((words) => {
      const { left, right, top, bottom } = words.getBoundingClientRect();
      const points = [left + 1, (left + right) / 2, right - 1].flatMap((x) =>
        [top + 1, (top + bottom) / 2, bottom - 1].map((y) => [x, y]),
      );
      return points.every(([x = 0, y = 0]) => words.contains(document.elementFromPoint(x, y)));
    }),
  );

  await ann.context().setOffline(false);
  await ann.locator('[data-testid="live-status"][data-live="true"]').waitFor();
  assert.equal(await ann.getByTestId('toasts').getByText('The host is back').count(), 0);
  await ann.getByRole('button', { name: 'Close chat and people' }).press('Enter');
  await ann.getByTestId('end').click();
  const asked = ann.waitForResponse((response) => response.url().includes(`/ws/live/${session}`));
  await ann.getByRole('dialog').getByRole('button', { name: 'End the stream' }).click();
  await ann.locator('[data-testid="state"][data-state="ended"]').getByText('Your stream has ended').waitFor();
  await ann.getByRole('link', { name: 'Go live again' }).waitFor();
  await bea.locator('[data-testid="state"][data-state="ended"]').getByText('Thank you for watching').waitFor();
  // The page of a host may bring a session back, and must not where it was ended.
  await asked;
  assert.deepEqual(await server.sessions(), []);
});
