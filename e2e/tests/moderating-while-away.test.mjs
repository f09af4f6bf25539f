// What a host decides while the connection is away is not taken for done.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium } from '../fixtures/browsers.mjs';
import { act, arrive, enter, goLive, openPeople, toast } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { throughAWire } from '../fixtures/wire.mjs';

test('a host is told what was not sent, and finds the dialog and the choice as they were', async (t) => {
  const server = await startServer(t);
  const wire = await throughAWire(t, server);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, wire.url, { name: 'Ann' });
  const bea = await arrive(t, browser, 'Bea');
  await enter(bea, server.url, session, 'Bea');
  await bea.getByTestId('ask').click();
  await openPeople(ann);
  const accept = ann.getByRole('button', { name: 'Accept Bea' });
  await accept.waitFor();
  await ann.context().setOffline(true);
  wire.cut();
  await ann.locator('[data-testid="state"][data-state="offline"]').waitFor();

  await accept.click();
  await toast(ann, /^Not sent/);

  const slowMode = ann.getByLabel('Slow mode');
  await slowMode.selectOption({ label: '30 s between messages' });
  assert.equal(await slowMode.inputValue(), '0');

  await act(ann, 'Bea', /ban/i, { sure: true });
  const dialog = ann.getByRole('dialog');
  await dialog.getByRole('alert').getByText(/^Not sent/).waitFor();

  // What was asked stays asked.
  await ann.context().setOffline(false);
  await ann.locator('[data-testid="live-status"][data-live="true"]').waitFor();
  await dialog.locator('button').last().click();
  await dialog.waitFor({ state: 'detached' });
  await bea.locator('[data-testid="state"][data-state="expelled"]').waitFor();
});
