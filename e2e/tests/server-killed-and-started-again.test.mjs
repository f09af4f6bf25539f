import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { publish } from '../fixtures/publisher.mjs';
import { arrive, enter, getsAcross, goLive, hears, sees } from '../fixtures/room.mjs';
import { startAgain, startServer } from '../fixtures/server.mjs';
import { assertOnlyForward, framesRead, movesOn, pictures, says, watch } from '../fixtures/watching.mjs';

test('a server that is killed and started again finds publisher and page back at the same address', async (t) => {
  const server = await startServer(t);
  const publisher = await publish(t, server.url);
  const page = await openPage(t, await launchChromium(t));
  await watch(page, publisher.watchUrl);
  await says(page, 'live');
  await framesRead(page, 20);

  await server.program.kill();
  await says(page, 'reconnecting');
  await publisher.reaches('reconnecting');

  await startAgain(t, server);
  await publisher.reaches('live', 120_000);
  await says(page, 'live', 120_000);
  await movesOn(page, 20);
  // The frame number goes on where it was: the publisher's pipeline never stopped.
  assertOnlyForward(await pictures(page));
});

test('a host in a browser brings the room back to a server that was killed and started again', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann', title: 'My show' });
  const dan = await arrive(t, browser, 'Dan');
  await enter(dan, server.url, session, 'Dan');
  await sees(dan, ['Ann']);

  await server.program.kill();
  await says(dan, 'reconnecting');
  await startAgain(t, server);

  await ann.locator('[data-testid="live-status"][data-live="true"]').waitFor();
  await getsAcross(dan, 'You are back', ann);
  await sees(dan, ['Ann']);
  await hears(dan, ['Ann']);
  await dan.getByText('My show').first().waitFor();
});
