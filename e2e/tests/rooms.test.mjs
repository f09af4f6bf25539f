// Rooms in real browsers: who is on the stage is seen and heard by each of the others, and the host's word holds.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { faults } from '../fixtures/accessibility.mjs';
import { launchChromium } from '../fixtures/browsers.mjs';
import { act, arrive, comeOnStage, enter, goLive, hears, openPeople, reads, say, sees, seesInFull, toast } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { listen, throughAWire } from '../fixtures/wire.mjs';

const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

test('host, guests and viewers see and hear each other, and the host decides who does', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann', title: 'Three of us' });
  assert.deepEqual(
    (await server.sessions()).map(({ title, broadcasters }) => [title, broadcasters.map(({ username }) => username)]),
    [['Three of us', ['Ann']]],
  );

  const bea = await arrive(t, browser, 'Bea');
  await enter(bea, server.url, session, 'Bea');
  await sees(bea, ['Ann']);
  const dan = await arrive(t, browser, 'Dan', PHONE);
  await enter(dan, server.url, session, 'Dan');

  await comeOnStage(bea, ann, 'Bea');
  const cem = await arrive(t, browser, 'Cem');
  await enter(cem, server.url, session, 'Cem');
  await comeOnStage(cem, ann, 'Cem');
  for (const [page, others] of /** @type {const} */ ([
    [ann, ['Bea', 'Cem']],
    [bea, ['Ann', 'Cem']],
    [cem, ['Ann', 'Bea']],
    [dan, ['Ann', 'Bea', 'Cem']],
  ])) {
    await sees(page, [...others]);
    await hears(page, [...others]);
  }

  await seesInFull(dan);

  await t.test('chat reaches all, and later ones get its history', async () => {
    await say(bea, 'hello <b>all</b> https://example.org');
    for (const page of [ann, cem]) await reads(page, 'hello <b>all</b>');
    const eve = await arrive(t, browser, 'Eve');
    await enter(eve, server.url, session, 'Eve');
    await reads(eve, 'hello <b>all</b>');
    assert.equal(await eve.getByTestId('chat').getByRole('link').getAttribute('href'), 'https://example.org/');
    await eve.context().close();
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
    await act(ann, 'Bea', 'Mute');
    await toast(bea, /muted/i);
    await hears(dan, ['Ann', 'Cem']);
    await bea.evaluate(() => window.person.unmute());
    await sees(dan, ['Ann', 'Bea', 'Cem']);
    await hears(ann, ['Cem']);
    await act(ann, 'Bea', /Allow/);
    await bea.getByTestId('microphone-switch').click();
    await hears(dan, ['Ann', 'Bea', 'Cem']);
  });

  await t.test('a screen is shown beside the camera, with its sound', async () => {
    await cem.getByTestId('screen-switch').click();
    await sees(dan, ['Ann', 'Bea', 'Cem', 'Screen']);
    await hears(dan, ['Ann', 'Bea', 'Cem', 'Screen']);
    await cem.getByTestId('screen-switch').click();
    await sees(dan, ['Ann', 'Bea', 'Cem']);
  });

  await t.test('who is promoted moderates, who is kicked does not come back', async () => {
    await act(ann, 'Bea', /cohost/i);
    await toast(bea, /cohost/i);
    await act(bea, 'Cem', /Remove|Kick/i, { sure: true });
    await cem.locator('[data-testid="state"][data-state="expelled"]').waitFor();
    await sees(dan, ['Ann', 'Bea']);
    await cem.reload();
    await cem.getByText('You cannot come in just now').waitFor();
    assert.equal(await cem.getByTestId('participant').count(), 0);
  });

  await t.test('the host ends it for all', async () => {
    await openPeople(ann);
    await ann.getByTestId('end').click();
    await ann.getByRole('dialog').getByRole('button', { name: /End/ }).click();
    for (const page of [bea, dan]) await page.locator('[data-testid="state"][data-state="ended"]').waitFor();
  });
});

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

test('a voice session has sound alone', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const session = await goLive(ann, server.url, { name: 'Ann', mode: 'voice' });
  const bea = await arrive(t, browser, 'Bea');
  await enter(bea, server.url, session, 'Bea');
  await comeOnStage(bea, ann, 'Bea');
  await hears(ann, ['Bea']);
  await hears(bea, ['Ann']);
  await sees(bea, []);
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
