import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { bootCameraMachine, HOST_FROM_VM, WITH_MICROPHONE } from '../fixtures/devices.mjs';
import { built, jsonLine, startProgram } from '../fixtures/programs.mjs';
import { SMALL } from '../fixtures/publisher.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { bars, followSound, framesRead, isColourBars, median, says, STAGE, toneHeard, watch } from '../fixtures/watching.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** The emulated machine encodes a tenth as fast as a real one. */
const EMULATED = '--size 320x180 --fps 10 --bitrate 300k';

/** Of vivid's test patterns. */
const VIVID_ALL_GREEN = 8;

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

  await machine.run('footlight devices --json > /mnt/devices.json');
  const devices = await until('the devices are listed', async () => JSON.parse(await readFile(join(machine.folder, 'devices.json'), 'utf8')));
  const cameras = devices.cameras.map((/** @type {{ id: string, name: string }} */ { id, name }) => `${id} ${name}`);
  assert.deepEqual(cameras, ['/dev/video0 vivid', '/dev/video1 vivid']);

  // Vivid is back as soon as nobody has it open any more, which may take less time than a card waits for: so somebody has.
  await watchForCard(page);
  await machine.run('for n in 1 0; do sleep 3 < /dev/video$n & v4l2-ctl -d /dev/video$n -c disconnect=1; done');
  await until('a card takes the place of the bars', () => cardWasShown(page), 120_000);
  await says(page, 'live');
  await until('the camera is back', async () => isColourBars(await bars(page)), 120_000);
});

test('the key s goes on with the next camera in the same track', async (t) => {
  const server = await startServer(t, { args: ['--advertise', HOST_FROM_VM] });
  const publish = `footlight publish http://${HOST_FROM_VM}:${server.port} ${EMULATED}`;
  // `script` gives it a terminal, whose keyboard is the pipe; `sleep` keeps the pipe open between two keys.
  const machine = await bootCameraMachine(
    t,
    `v4l2-ctl -d /dev/video1 -c test_pattern=${VIVID_ALL_GREEN}
     mkfifo /tmp/keys
     sleep 100000 > /tmp/keys &
     script --quiet --command '${publish}' /dev/null < /tmp/keys`,
  );
  const session = await until('the session is there', async () => (await server.sessions())[0]?.session_id, 240_000);
  const page = await openPage(t, await launchChromium(t));
  await watch(page, `${server.url}/watch/${session}`);
  await says(page, 'live', 120_000);
  await until('the first camera is in the picture', async () => isColourBars(await bars(page)), 120_000);
  const track = await videoTrack(page);

  await machine.run('printf s > /tmp/keys');
  await until('the second camera is in the picture', async () => (await bars(page)).every(isGreen), 120_000);
  await machine.run('printf s > /tmp/keys');
  await until('the first camera is there again', async () => isColourBars(await bars(page)), 120_000);

  assert.equal(await videoTrack(page), track);
  const metrics = await server.metrics();
  assert.equal(metrics.sum('footlight_http_requests_total', 'route="/whip/{id}",method="POST"'), 1);
  assert.equal(metrics.sum('footlight_tracks'), 2);
});

/** @param {Page} page */
const decodedFrames = (page) =>
  page.locator(STAGE).evaluate((video) => /** @type {HTMLVideoElement} */ (video).getVideoPlaybackQuality().totalVideoFrames);

/** @param {Page} page */
const videoTrack = (page) =>
  page.locator(STAGE).evaluate((video) => {
    const { srcObject } = /** @type {HTMLVideoElement} */ (video);
    return srcObject instanceof MediaStream ? srcObject.getVideoTracks()[0]?.id : undefined;
  });

/** @param {number[]} colour */
const isGreen = ([red = 0, green = 0, blue = 0]) => red < 64 && green > 160 && blue < 64;

/**
 * From here on every picture is looked at: the card that stands for a lost camera is dark grey; a dead picture would be black.
 * @param {Page} page
 */
const watchForCard = (page) =>
  page.locator(STAGE).evaluate((element) => {
    const video = /** @type {HTMLVideoElement} */ (element);
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [80, 45];
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) throw new Error('no canvas');
    const look = () => {
      context.drawImage(video, 0, 0, canvas.width, canvas.height);
      const row = context.getImageData(0, 41, canvas.width, 1).data.filter((_, index) => index % 4 !== 3);
      if (row.every((value) => value > 12 && value < 64)) document.documentElement.dataset['card'] = 'shown';
      video.requestVideoFrameCallback(look);
    };
    look();
  });

/** @param {Page} page */
const cardWasShown = (page) => page.evaluate(() => document.documentElement.dataset['card'] === 'shown');
