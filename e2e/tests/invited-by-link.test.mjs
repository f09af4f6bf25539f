// Whoever has a link with a key in it comes in as who it says, and is that still when the page is loaded again. What it has
// them turn on is on only where the page shows it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { faults } from '../fixtures/accessibility.mjs';
import { launchChromium } from '../fixtures/browsers.mjs';
import { arrive, endStream, goLive } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';

/** @typedef {import('playwright-core').Page} Page */

const API_KEY = 'of-the-site-of-the-operator';

/**
 * @param {string} url the server's
 * @param {{ session_id: string, role: string, username: string }} grant
 * @returns {Promise<string>}
 */
async function tokenFor(url, grant) {
  const response = await fetch(`${url}/api/tokens`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${API_KEY}` },
    body: JSON.stringify(grant),
  });
  assert.equal(response.status, 201);
  return (await response.json()).token;
}

/**
 * Has the page keep count of what it turns on.
 * @param {Page} page
 */
async function countDevices(page) {
  await page.context().addInitScript(() => {
    /** @type {MediaStreamTrack[]} */
    const opened = [];
    const { getUserMedia } = navigator.mediaDevices;
    navigator.mediaDevices.getUserMedia = async (constraints) => {
      const stream = await getUserMedia.call(navigator.mediaDevices, constraints);
      opened.push(...stream.getTracks());
      return stream;
    };
    Object.assign(window, { devicesOn: () => opened.filter((track) => track.readyState === 'live').length });
  });
}

/**
 * @param {Page} page
 * @param {number} count
 */
function devicesOn(page, count) {
  return until(`${count} devices are on`, async () => {
    const on = await page.evaluate(() => /** @type {any} */ (window).devicesOn());
    return on === count || Promise.reject(new Error(`${on} are`));
  });
}

test('a host and a guest come by their links, and again without them', async (t) => {
  const server = await startServer(t, { args: ['--auth-api-keys', API_KEY] });
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  const forHost = await tokenFor(server.url, { session_id: 'evening', role: 'host', username: 'Ann' });
  await ann.goto(`${server.url}/stream?token=${forHost}`);
  await ann.waitForURL(`${server.url}/stream`);
  await ann.reload();
  assert.equal(await goLive(ann, null, { name: 'Ann' }), 'evening');

  const bea = await arrive(t, browser, 'Bea');
  await countDevices(bea);
  const forGuest = await tokenFor(server.url, { session_id: 'evening', role: 'guest', username: 'Bea' });
  const link = `${server.url}/watch/evening?token=${forGuest}`;
  await bea.goto(server.url);
  await bea.getByLabel('Join with a link or code').fill(link);
  await bea.getByRole('button', { name: 'Join', exact: true }).click();
  const preview = bea.getByRole('dialog').filter({ hasText: 'You are invited on the stage' });
  await preview.waitFor();
  await bea.waitForURL(`${server.url}/watch/evening`);
  await devicesOn(bea, 2);
  await bea.keyboard.press('Escape');
  await devicesOn(bea, 0);
  assert.deepEqual(await faults(bea), []);

  await bea.getByRole('button', { name: 'Go on stage' }).click();
  await preview.getByRole('button', { name: 'Go on stage' }).click();
  await bea.getByRole('button', { name: 'Leave stage' }).waitFor();
  await devicesOn(bea, 2);
  await bea.getByRole('button', { name: 'Leave stage' }).click();
  await devicesOn(bea, 0);

  // As of somebody who was away for longer than a place is kept.
  await bea.addInitScript(() => sessionStorage.removeItem('footlight:resume:evening'));
  await bea.reload();
  await preview.waitFor();
  await devicesOn(bea, 2);

  const elsewhere = await arrive(t, browser, 'Bea');
  await elsewhere.goto(link);
  await bea.locator('[data-testid="state"][data-state="replaced"]').waitFor();
  await devicesOn(bea, 0);

  await endStream(ann);
  await ann.getByRole('link', { name: 'Go live again' }).click();
  await ann.waitForURL(`${server.url}/stream`);
  assert.equal(await goLive(ann, null, { name: 'Ann' }), 'evening');
});

test('who may not go live is told why, and what to do', async (t) => {
  const server = await startServer(t, { args: ['--auth-api-keys', API_KEY] });
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  /** @param {string} query */
  const refusal = async (query) => {
    await ann.goto(`${server.url}/stream${query}`);
    const button = ann.getByTestId('go-live');
    await until('the studio is ready', () => button.isEnabled());
    await button.click();
    const alert = ann.locator('form').getByRole('alert').last();
    return until('it is refused', () => alert.innerText());
  };
  assert.match(await refusal(''), /^This server lets only people with a key go live\./);
  const forViewer = await tokenFor(server.url, { session_id: 'evening', role: 'viewer', username: 'Ann' });
  assert.match(await refusal(`?token=${forViewer}`), /^Your link is for somebody who watches or joins/);
  const ofAnotherServer = forViewer.replace(/[^.]+$/, 'c2lnbmF0dXJl');
  assert.match(await refusal(`?token=${ofAnotherServer}`), /^The key in your link does not let you go live here\./);
});

test('who leaves while the stream is being made leaves none behind', async (t) => {
  const server = await startServer(t);
  const browser = await launchChromium(t);
  const ann = await arrive(t, browser, 'Ann');
  await ann.goto(`${server.url}/stream`);
  /** @type {() => void} */
  let answer = () => undefined;
  const left = new Promise((resolve) => (answer = () => resolve(undefined)));
  await ann.route('**/api/sessions', async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    const response = await route.fetch();
    await left;
    await route.fulfill({ response });
  });
  const button = ann.getByTestId('go-live');
  await until('the studio is ready', () => button.isEnabled());
  await button.click();
  await until('there is a session', async () => (await server.metrics()).sum('footlight_sessions') === 1);
  await ann.getByRole('link', { name: 'Footlight, home' }).click();
  await ann.waitForURL(`${server.url}/`);
  answer();
  await until('there is none', async () => (await server.metrics()).sum('footlight_sessions') === 0);
  assert.equal(ann.url(), `${server.url}/`);
});
