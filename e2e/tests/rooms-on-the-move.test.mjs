// Somebody whose network address changes in the middle of a session goes on at the same place.
import assert from 'node:assert/strict';

import { launchChromium } from '../fixtures/browsers.mjs';
import { startMovingHost } from '../fixtures/moving-network.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import { arrive, comeOnStage, enter, getsAcross, goLive, hears, sees } from '../fixtures/room.mjs';
import { until } from '../fixtures/wait.mjs';
import { listen } from '../fixtures/wire.mjs';

/** What the others must not be told of somebody who only has another address. */
const NO_NEWS = ['user_left', 'user_joined', 'role_changed', 'guest_joined', 'broadcast_stopped', 'broadcast_started'];

testInOwnNetwork('a guest and a viewer whose network address changes are back at their places', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const home = await launchChromium(t);
  const ann = await arrive(t, home, 'Ann');
  const session = await goLive(ann, server.localUrl, { name: 'Ann' });

  const host = await startMovingHost(t);
  const first = await host.link();
  const origin = server.url;
  // Elsewhere than on localhost, pages without TLS are given no camera.
  const away = await launchChromium(t, { ...host.chromium, flags: [`--unsafely-treat-insecure-origin-as-secure=${origin}`] });
  const bea = await arrive(t, away, 'Bea');
  await enter(bea, origin, session, 'Bea');
  await comeOnStage(bea, ann, 'Bea');
  const dan = await arrive(t, away, 'Dan');
  await enter(dan, origin, session, 'Dan');
  const listener = await arrive(t, home, 'Listener');
  const heard = await listen(listener, server, session);

  const allIsWell = async (/** @type {string} */ when) => {
    for (const [page, name] of /** @type {const} */ ([
      [bea, 'Bea'],
      [dan, 'Dan'],
    ])) {
      await getsAcross(page, `${name} ${when}`, ann);
    }
    await sees(ann, ['Bea']);
    await hears(ann, ['Bea']);
    await sees(bea, ['Ann']);
    await hears(bea, ['Ann']);
    await sees(dan, ['Ann', 'Bea']);
    await hears(dan, ['Ann', 'Bea']);
  };
  await allIsWell('at first');
  const speakers = async (/** @type {string} */ when) =>
    (await heard()).flatMap((event) =>
      event.type === 'chat_message' && event.message.endsWith(when) ? [[event.username, event.user_id]] : [],
    );
  const people = await speakers('at first');
  assert.equal(people.length, 2);
  const before = (await heard()).length;

  // As by a phone that leaves its wireless network: for a moment there is no network at all.
  await first.remove();
  await until('the page has noticed', () => bea.evaluate(() => !navigator.onLine));
  const second = await host.link();
  await allIsWell('elsewhere');

  // As by a laptop whose cable is pulled: another network is there already.
  const third = await host.link();
  await second.remove();
  await allIsWell('by the third link');
  assert.notEqual(third.address, second.address);

  assert.deepEqual(await speakers('elsewhere'), people);
  assert.deepEqual(await speakers('by the third link'), people);
  const told = (await heard()).slice(before).map(({ type }) => type);
  assert.deepEqual(told.filter((type) => NO_NEWS.includes(type)), []);
});
