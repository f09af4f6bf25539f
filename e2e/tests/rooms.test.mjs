// Rooms in real browsers: who is on the stage is seen and heard by each of the others, and the host's word holds.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { faults } from '../fixtures/accessibility.mjs';
import { launchChromium } from '../fixtures/browsers.mjs';
import { comeOnStageInFirefox, enterInFirefox, readsInFirefox, sayInFirefox } from '../fixtures/in-firefox.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import {
  act,
  arrive,
  arriveInFirefox,
  comeOnStage,
  enter,
  goLive,
  hears,
  openPeople,
  reads,
  say,
  sees,
  seesInFull,
  toast,
  withoutCodec,
} from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { listen, throughAWire } from '../fixtures/wire.mjs';

/** @type {import('../fixtures/room.mjs').Name[]} */
const STAGE = ['Ann', 'Bea', 'Cem', 'Fay'];

const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

testInOwnNetwork('host, cohost, guests and viewers see and hear each other, and the host decides who does', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const browser = await launchChromium(t);
  // Debian's Firefox plays no H.264.
  const arriveForFirefox = async (/** @type {string} */ name) => {
    const page = await arrive(t, browser, name);
    await withoutCodec(page, 'video/H264');
    return page;
  };
  const ann = await arriveForFirefox('Ann');
  const session = await goLive(ann, server.localUrl, { name: 'Ann', title: 'Four of us' });
  assert.deepEqual(
    (await server.sessions()).map(({ title, broadcasters }) => [title, broadcasters.map(({ username }) => username)]),
    [['Four of us', ['Ann']]],
  );

  // Three who watch, one of them on a phone.
  const dan = await arrive(t, browser, 'Dan', PHONE);
  const eve = await arrive(t, browser, 'Eve');
  const gus = await arrive(t, browser, 'Gus');
  const viewers = { Dan: dan, Eve: eve, Gus: gus };
  for (const [name, page] of Object.entries(viewers)) await enter(page, server.localUrl, session, name);
  await sees(dan, ['Ann']);

  const bea = await arriveForFirefox('Bea');
  await enter(bea, server.localUrl, session, 'Bea');
  await comeOnStage(bea, ann, 'Bea');
  await act(ann, 'Bea', /cohost/i);
  await toast(bea, /cohost/i);
  const cem = await arriveForFirefox('Cem');
  await enter(cem, server.localUrl, session, 'Cem');
  await comeOnStage(cem, bea, 'Cem');
  const fay = await arriveInFirefox(t, 'Fay');
  await enterInFirefox(fay, server.localUrl, session, 'Fay');
  await sees(fay, ['Ann', 'Bea', 'Cem']);
  await comeOnStageInFirefox(fay, ann, 'Fay');

  await t.test('each sees and hears all the others', async () => {
    for (const [name, page] of Object.entries({ Ann: ann, Bea: bea, Cem: cem, Fay: fay, ...viewers })) {
      const others = STAGE.filter((other) => other !== name);
      await sees(page, others);
      await hears(page, others);
    }
    await seesInFull(dan);
    assert.equal((await server.sessions())[0]?.viewer_count, 3);
  });

  await t.test('chat reaches all, and later ones get its history', async () => {
    await say(bea, 'hello <b>all</b> https://example.org');
    for (const page of [ann, cem, eve]) await reads(page, 'hello <b>all</b>');
    await readsInFirefox(fay, 'hello <b>all</b>');
    await sayInFirefox(fay, 'hello from Fay');
    for (const page of [ann, gus]) await reads(page, 'hello from Fay');
    const hal = await arrive(t, browser, 'Hal');
    await enter(hal, server.localUrl, session, 'Hal');
    await reads(hal, 'hello <b>all</b>');
    assert.equal(await hal.getByTestId('chat').getByRole('link').getAttribute('href'), 'https://example.org/');
    await hal.context().close();
  });

  await t.test('reactions float for the others', async () => {
    await dan.getByRole('button', { name: /fire|🔥/i }).click();
    await ann.getByTestId('reactions').getByText('🔥').first().waitFor({ state: 'attached' });
  });

  await t.test('nobody stumbles over anything on these pages', async () => {
    for (const page of [ann, bea, dan]) assert.deepEqual(await faults(page), []);
    await openPeople(ann);
    assert.deepEqual(await faults(ann), []);
  });

  await t.test('a muted guest is heard by nobody, whatever its page does', async () => {
    await act(ann, 'Cem', 'Mute');
    await toast(cem, /muted/i);
    await hears(dan, ['Ann', 'Bea', 'Fay']);
    await cem.evaluate(() => window.person.unmute());
    await sees(dan, STAGE);
    await hears(fay, ['Ann', 'Bea']);
    await act(ann, 'Cem', /Allow/);
    await cem.getByTestId('microphone-switch').click();
    await hears(dan, STAGE);
  });

  await t.test('a screen is shown beside the camera, with its sound', async () => {
    await cem.getByTestId('screen-switch').click();
    await sees(dan, [...STAGE, 'Screen']);
    await hears(dan, [...STAGE, 'Screen']);
    await cem.getByTestId('screen-switch').click();
    await sees(dan, STAGE);
  });

  await t.test('a cohost moderates, and who is kicked does not come back', async () => {
    await act(bea, 'Cem', /Remove|Kick/i, { sure: true });
    await cem.locator('[data-testid="state"][data-state="expelled"]').waitFor();
    await sees(dan, ['Ann', 'Bea', 'Fay']);
    await cem.reload();
    await cem.getByText('You cannot come back to this stream').waitFor();
    assert.equal(await cem.getByTestId('participant').count(), 0);
  });

  await t.test('the host ends it for all', async () => {
    await openPeople(ann);
    await ann.getByTestId('end').click();
    await ann.getByRole('dialog').getByRole('button', { name: /End/ }).click();
    for (const page of [bea, dan, eve, gus]) await page.locator('[data-testid="state"][data-state="ended"]').waitFor();
    await fay.waitForSelector('[data-testid="state"][data-state="ended"]');
  });
}, { sound: true });

test('a connection that was cut comes back to its place, and the others notice nothing', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  const wire = await throughAWire(t, server);
  const bea = await arrive(t, browser, 'Bea');
  await enter(bea, wire.url, session, 'Bea');
  await comeOnStage(bea, ann, 'Bea');
  await sees(ann, ['Bea']);
  const heard = await listen(await arrive(t, browser, 'Listener'), server, session);

  const before = (await heard()).length;
  wire.cut();
  await say(ann, 'still there?');
  await reads(bea, 'still there?');
  await say(bea, 'here I am');
  await reads(ann, 'here I am');
  await sees(ann, ['Bea']);
  await sees(bea, ['Ann']);
  const told = (await heard()).slice(before).map(({ type }) => type);
  for (const type of ['user_left', 'user_joined', 'role_changed', 'broadcast_stopped']) {
    assert.ok(!told.includes(/** @type {any} */ (type)), `the others were told ${type}: ${told}`);
  }

  await bea.reload();
  await openPeople(ann);
  await ann.locator('[data-testid="participant"][data-role="guest"]').waitFor();
  await bea.getByRole('button', { name: 'Go on stage' }).first().waitFor();
});

test('a host who does not come back hands over to a cohost, and without one the session ends', async (t) => {
  const server = await startServer(t, { args: ['--host-grace-seconds', '2'] });
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann' });
  const bea = await arrive(t, browser, 'Bea');
  await enter(bea, server.url, session, 'Bea');
  await comeOnStage(bea, ann, 'Bea');
  await act(ann, 'Bea', /cohost/i);
  const heard = await listen(await arrive(t, browser, 'Listener'), server, session);
  await ann.context().close();
  await toast(bea, /host/i);
  await openPeople(bea);
  await bea.locator('[data-testid="participant"][data-role="host"]').filter({ hasText: 'Bea' }).waitFor();
  await bea.context().close();
  await until('the session is over', async () =>
    (await heard()).some((event) => event.type === 'session_ended' && event.reason === 'host_left'),
  );
});

test('in a mesh, picture and sound go straight from browser to browser', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann', topology: 'mesh' });
  const bea = await arrive(t, browser, 'Bea');
  await enter(bea, server.url, session, 'Bea');
  await comeOnStage(bea, ann, 'Bea');
  const dan = await arrive(t, browser, 'Dan');
  await enter(dan, server.url, session, 'Dan');
  for (const [page, others] of /** @type {const} */ ([
    [ann, ['Bea']],
    [bea, ['Ann']],
    [dan, ['Ann', 'Bea']],
  ])) {
    await sees(page, [...others]);
    await hears(page, [...others]);
  }
  assert.equal((await server.metrics()).sum('footlight_peers'), 0);
});
