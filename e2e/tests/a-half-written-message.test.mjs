// What somebody has begun to write is there when they come back to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium } from '../fixtures/browsers.mjs';
import { arrive, enter, goLive, openChat, openPeople, reads } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';

const UPRIGHT = { width: 360, height: 740 };

test('a half-written message outlasts a look at the people, the sheet’s way down, and a turn of the phone', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  const dan = await arrive(t, browser, 'Dan', { viewport: UPRIGHT, isMobile: true, hasTouch: true });
  await enter(dan, server.url, session, 'Dan');
  const field = dan.getByRole('textbox', { name: 'Message' });
  const stillWritten = async () => assert.equal(await field.inputValue({ timeout: 10_000 }), 'hello th');

  await openChat(dan);
  await field.fill('hello th');
  await openPeople(dan);
  await openChat(dan);
  await stillWritten();

  await dan.getByRole('button', { name: 'Close chat and people' }).press('Enter');
  await field.waitFor({ state: 'detached' });
  await dan.setViewportSize({ width: UPRIGHT.height, height: UPRIGHT.width });
  await stillWritten();
  await dan.setViewportSize(UPRIGHT);
  await field.waitFor({ state: 'detached' });
  await openChat(dan);
  await stillWritten();

  await field.press('Enter');
  await reads(ann, 'hello th');
});
