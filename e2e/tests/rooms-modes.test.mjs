// The three modes of a session: what each takes, and how many people.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium } from '../fixtures/browsers.mjs';
import { acceptAll, arrive, enter, goLive, goOnStage, hears, sees, toast } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { crowd } from '../fixtures/wire.mjs';

for (const { mode, guests, isSeen } of [
  { mode: 'voice', guests: 8, isSeen: false },
  { mode: 'camera', guests: 10, isSeen: true },
  { mode: 'studio', guests: 20, isSeen: true },
]) {
  test(`${mode} has ${guests} guests, and one more is refused in words until there is room`, async (t) => {
    const server = await startServer(t);
    const browser = await launchChromium(t);
    const ann = await arrive(t, browser, 'Ann');
    const session = await goLive(ann, server.url, { name: 'Ann', mode });
    const extras = await crowd(await arrive(t, browser, 'Extras'), server, session, guests);
    await acceptAll(ann, guests);

    const bea = await arrive(t, browser, 'Bea');
    await enter(bea, server.url, session, 'Bea');
    await bea.getByTestId('ask').click();
    await ann.getByRole('button', { name: 'Accept Bea' }).click();
    await toast(ann, `the stage is full: ${guests} people may be on it beside the host`);
    // She has not been told that she may, and asks still.
    assert.equal(await bea.getByRole('dialog').count(), 0);
    await ann.getByRole('button', { name: 'Accept Bea' }).waitFor();

    await extras.leave();
    const onStage = ann.locator('[data-testid="participant"][data-role="guest"]');
    await until('one has left', async () => (await onStage.count()) === guests - 1);
    await ann.getByRole('button', { name: 'Accept Bea' }).click();
    await bea.getByRole('dialog').getByTestId('microphone-switch').waitFor();
    for (const control of ['camera-picker', 'camera-switch']) {
      assert.equal(await bea.getByRole('dialog').getByTestId(control).count(), isSeen ? 1 : 0, control);
    }
    await goOnStage(bea);
    for (const [page, other] of /** @type {const} */ ([
      [ann, 'Bea'],
      [bea, 'Ann'],
    ])) {
      await hears(page, [other]);
      await sees(page, isSeen ? [other] : []);
    }
  });
}
