// The app as a program among others: a server of its own, links, keys, other windows, and the end.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { makeHome, openApp } from '../fixtures/app.mjs';
import { launchChromium } from '../fixtures/browsers.mjs';
import { openWindow, startDesktop } from '../fixtures/desktop.mjs';
import { built, startProgram } from '../fixtures/programs.mjs';
import { PEOPLE, arrive, enter, hears } from '../fixtures/room.mjs';
import { until } from '../fixtures/wait.mjs';
import { says } from '../fixtures/watching.mjs';

test('the app is the server, shares a window, and asks before it leaves its viewers', async (t) => {
  const [home, desktop] = [await makeHome(t), await startDesktop(t)];
  const app = await openApp(t, { home, display: desktop.display, env: desktop.env });
  await app.fill('#name', 'Ada');
  await app.click('=Everything on this computer');
  await app.says('The stage is dark');
  await app.click('button.server');
  await app.says('This computer is the server');
  await app.photograph('server-inside');
  const address = await app.evaluate(() => document.querySelector('dialog code')?.textContent ?? '');
  await app.click('dialog [aria-label="Close"]');

  await t.test('a link of another program is followed in the window that is there', async () => {
    const second = startProgram(t, 'second', built('footlight-app'), ['footlight://watch/some-show'], {
      ...desktop.env,
      HOME: home,
      XDG_CONFIG_HOME: `${home}/config`,
      XDG_DATA_HOME: `${home}/data`,
      XDG_RUNTIME_DIR: `${home}/runtime`,
    });
    assert.equal(await second.ended, 'second ended with status 0');
    await until('the page is there', async () => (await app.url()).endsWith('/watch/some-show'));
    await app.says('No stream at this address');
  });

  /** @param {string} state of the tray's first entry */
  const trayShows = (state) =>
    until(`the tray shows ${state}`, () => state in (desktop.tray?.entries ?? {}) || Promise.reject(new Error(JSON.stringify(desktop.tray))));
  await trayShows('Off air');
  const idleIcon = desktop.tray?.icon;
  assert.equal(desktop.tray?.entries['Mute'], false, 'nothing to mute');

  await app.click('a[href="/"]');
  await app.click('=Go live');
  await app.choose('[data-testid="camera-picker"]', 'Test pattern');
  await app.choose('[data-testid="microphone-picker"]', 'Test tone');
  await app.click('[data-testid="go-live"]');
  await app.element('[data-testid="live-status"][data-live="true"]');
  const session = /** @type {string} */ (new URL(await app.url()).pathname.split('/').pop());

  const dan = await arrive(t, await launchChromium(t), 'Dan', { ignoreHTTPSErrors: true });
  await enter(dan, new URL(address).origin, session, 'Dan');
  await hears(dan, ['Ann']);

  await t.test('the tray says that one is on air, mutes and unmutes', async () => {
    await trayShows('On air');
    assert.notEqual(desktop.tray?.icon, idleIcon);
    await desktop.pressInTray('Mute');
    await hears(dan, []);
    await trayShows('On air, muted');
    await desktop.pressInTray('Unmute');
    await hears(dan, ['Ann']);
    await trayShows('On air');
  });

  await t.test('keys mute and unmute from any other program', async () => {
    await desktop.press('ctrl+alt+m');
    await hears(dan, []);
    await desktop.press('ctrl+alt+m');
    await hears(dan, ['Ann']);
  });

  await t.test('one window of several is shared, with nothing of the others', async () => {
    const letter = await openWindow(t, desktop, 'A letter', PEOPLE.Screen.colour);
    await openWindow(t, desktop, 'A secret', PEOPLE.Cem.colour);
    await app.click('[data-testid="screen-switch"]');
    await app.says('A secret');
    await until('all that is offered has a picture', () =>
      app.evaluate(() => {
        const offered = [...document.querySelectorAll('[data-testid="offered-screen"] canvas')];
        return offered.length === 3 && offered.every((canvas) => canvas.hasAttribute('data-drawn'));
      }),
    );
    await app.photograph('screens');
    await app.evaluate(() => {
      const buttons = [...document.querySelectorAll('button')];
      buttons.find((button) => button.innerText.includes('A letter'))?.click();
    });
    await until('the window is seen', async () => {
      const shown = await dan.evaluate(() => window.person.colours());
      const isLetter = ({ red = 0, green = 0, blue = 0 }) =>
        PEOPLE.Screen.colour.every((part, index) => Math.abs(part - ([red, green, blue][index] ?? 0)) < 40);
      if (!shown.some(isLetter)) throw new Error(JSON.stringify(shown));
      return shown.length === 2;
    });

    await letter.stop();
    await until('the switch says so', () =>
      app.evaluate(() => document.querySelector('[data-testid="screen-switch"]')?.getAttribute('aria-label') === 'Share your screen'),
    );
    await until('nothing of it is on air', async () => (await tracksOf(dan, session)).join(' ') === 'camera microphone');
  });

  await t.test('whoever looks at another window is told who asks to come on the stage', async () => {
    assert.deepEqual(desktop.notifications, []);
    await desktop.bringForward('A secret');
    await dan.getByTestId('ask').click();
    await until('a notification', () => desktop.notifications.length > 0);
    assert.deepEqual(desktop.notifications, ['Dan asks to come on the stage.']);
  });

  await t.test('closing the window is asked about, and can be left', async () => {
    await desktop.closeWindow('.*Footlight');
    await app.says('You are on air');
    await app.photograph('closing');
    await app.click('=Cancel');
    await hears(dan, ['Ann']);
  });

  await t.test('another server is gone to only by whoever agrees to leave the stage', async () => {
    await app.click('button.server');
    await app.click('=Use another server');
    await app.says('Leave while you’re live?');
    await app.photograph('leaving-the-server');
    await app.click('=Stay');
    await app.click('dialog [aria-label="Close"]');
    await hears(dan, ['Ann']);
    assert.ok(await answers(address), 'the server inside is still there');
  });

  await desktop.closeWindow('.*Footlight');
  await app.says('Leave and close');
  // Not by a click of the driver, which the app would not live to answer.
  await app.evaluate(() => {
    const buttons = [...document.querySelectorAll('dialog button')];
    setTimeout(() => /** @type {HTMLElement} */ (buttons.at(-1)).click(), 100);
  });
  await says(dan, 'reconnecting');
  await until('the server inside has ended', async () => !(await answers(address)));
});

/**
 * Whether anything listens there.
 * @param {string} address
 */
function answers(address) {
  return fetch(address).then(
    () => true,
    (error) => !/ECONNREFUSED/.test(String(error.cause?.code)),
  );
}

/**
 * What of a session is on air.
 * @param {import('playwright-core').Page} page of the same server
 * @param {string} session
 * @returns {Promise<string[]>}
 */
async function tracksOf(page, session) {
  const { tracks } = await page.evaluate(async (id) => (await fetch(`/ws/live/${id}/stats`)).json(), session);
  return tracks.map((/** @type {{ source: string }} */ { source }) => source).sort();
}
