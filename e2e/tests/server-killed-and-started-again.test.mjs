import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { publish } from '../fixtures/publisher.mjs';
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
