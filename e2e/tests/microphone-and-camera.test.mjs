import assert from 'node:assert/strict';
import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { bootCameraMachine, HOST_FROM_VM, WITH_MICROPHONE } from '../fixtures/devices.mjs';
import { built, jsonLine, startProgram } from '../fixtures/programs.mjs';
import { SMALL } from '../fixtures/publisher.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { followSound, framesRead, median, says, STAGE, toneHeard, watch } from '../fixtures/watching.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** The emulated machine encodes a tenth as fast as a real one. */
const EMULATED = '--size 320x180 --fps 10 --bitrate 300k';

test('what a microphone hears is heard in the browser', async (t) => {
  const server = await startServer(t);
  const publisher = startProgram(t, 'publisher', WITH_MICROPHONE, [
    built('footlight'), 'publish', server.url, '--json', '--pattern', ...SMALL,
  ]);
  const watchUrl = await publisher.line('watch URL', (line) => jsonLine(line)?.watch_url);
  const page = await openPage(t, await launchChromium(t));
  await watch(page, watchUrl);
  await says(page, 'live');
  await framesRead(page, 10);
  await followSound(page);
  assert.equal(median(await toneHeard(page, 10)), 440);
});

test('what a camera sees is seen in the browser, a lost camera is told, and it comes back', async (t) => {
  const server = await startServer(t, { args: ['--advertise', HOST_FROM_VM] });
  const machine = await bootCameraMachine(
    t,
    `footlight publish http://${HOST_FROM_VM}:${server.port} --json ${EMULATED}`,
  );
  const session = await machine.program.line('session', (line) => jsonLine(line)?.session_id, 240_000);
  const page = await openPage(t, await launchChromium(t));
  await watch(page, `${server.url}/watch/${session}`);
  await says(page, 'live', 120_000);

  await until('the seven colour bars of the camera are in the picture', async () => isColourBars(await bars(page)), 120_000);
  const before = await decodedFrames(page);
  await until('the picture runs', async () => (await decodedFrames(page)) > before + 20, 120_000);
  await followSound(page);
  assert.equal(median(await toneHeard(page, 5)), 440);

  await machine.run('v4l2-ctl -d /dev/video0 -c disconnect=1');
  await until('a card takes the place of the bars', async () => !isColourBars(await bars(page)), 120_000);
  await says(page, 'live');
  await until('the camera is back', async () => isColourBars(await bars(page)), 120_000);
});

/** @param {Page} page */
const decodedFrames = (page) =>
  page.locator(STAGE).evaluate((video) => /** @type {HTMLVideoElement} */ (video).getVideoPlaybackQuality().totalVideoFrames);

/**
 * The colours in the middle of eight equal columns, a third down the picture, where no text covers them.
 * @param {Page} page
 * @returns {Promise<number[][]>} red, green, blue
 */
const bars = (page) =>
  page.locator(STAGE).evaluate((video) => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [80, 45];
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('no canvas');
    context.drawImage(/** @type {HTMLVideoElement} */ (video), 0, 0, canvas.width, canvas.height);
    return Array.from({ length: 8 }, (_, column) => [...context.getImageData(column * 10 + 5, 30, 1, 1).data.slice(0, 3)]);
  });

/**
 * Whether the columns are vivid's colour bars: white, yellow, cyan, green, magenta, red, blue, black, at three quarters
 * of full brightness. vivid scrolls them never unless it is asked to.
 * @param {number[][]} columns
 */
function isColourBars(columns) {
  const expected = [[1, 1, 1], [1, 1, 0], [0, 1, 1], [0, 1, 0], [1, 0, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]];
  return columns.every((colour, column) => colour.every((value, channel) => value > 96 === (expected[column]?.[channel] === 1)));
}
