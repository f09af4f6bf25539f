// A publisher whose line becomes narrow sends a smaller picture, and goes on being heard.
import assert from 'node:assert/strict';

import { startMovingHost } from '../fixtures/moving-network.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import { built, jsonLine, startProgram } from '../fixtures/programs.mjs';
import { publish } from '../fixtures/publisher.mjs';
import { until } from '../fixtures/wait.mjs';

/** In kilobits per second: for a picture at full size, for a small one, and for sound alone. */
const WIDE = 5_000;
const NARROW = 130;
const SOUND_ALONE = 85;

testInOwnNetwork('`footlight publish` follows its line down to a small picture and up again, and is heard all along', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const host = await startMovingHost(t);
  const line = await host.link();
  await line.carries(WIDE);
  const publisher = await publish(t, server.url, ['--pattern', '--tone', '--size', '640x360', '--fps', '15', '--bitrate', '1M'], {}, host.within);

  const viewer = startProgram(t, 'watch', built('examples/watch'), [`${server.localUrl}/whep/${publisher.session}`]);
  /** @type {Record<string, any>[]} */
  const reports = [];
  viewer.onLine((text) => {
    const report = jsonLine(text);
    if (report !== undefined) reports.push(report);
  });
  /** Waits until the decoded picture has lines that are wanted and moves, and gives what was reported on the way. */
  const reaches = async (/** @type {(lines: number) => boolean} */ wanted, /** @type {number} */ withinMs) => {
    const from = reports.length;
    const first = reports.at(-1)?.frames ?? 0;
    await viewer.line('picture of that size', (text) => {
      const report = jsonLine(text);
      const is = reports.length > from && wanted(report?.size?.[1] ?? Number.NaN) && report?.frames > first + 10;
      return is ? report : undefined;
    }, withinMs);
    return reports.slice(from);
  };
  await reaches((lines) => lines === 360, 60_000);
  t.diagnostic(`at first: ${JSON.stringify(publisher.status)}`);

  await line.carries(NARROW, WIDE);
  // How much smaller depends on what the encoder makes of the pattern.
  const down = await reaches((lines) => lines < 360, 30_000);
  t.diagnostic(`narrow after ${down.length} s: ${JSON.stringify(publisher.status)}`);

  // Less than any picture takes, and enough for speech.
  await line.carries(SOUND_ALONE, WIDE);
  await until('no picture is sent', () => publisher.status.target_bps === 0 && publisher.status.fps_sent === 0, 30_000);
  t.diagnostic(`very narrow: ${JSON.stringify(publisher.status)}`);
  const isHeard = (/** @type {Record<string, any> | undefined} */ report) => Math.abs((report?.frequency ?? 0) - 440) < 15;
  // What the picture has left in the line's buffer goes first, and sound is lost among it.
  const before = reports.length;
  const last = () => reports.slice(before).slice(-5);
  await until('sound alone, for five seconds without a gap', () => last().length === 5 && last().every(isHeard), 40_000);
  const alone = reports.slice(before);

  await line.carries(WIDE);
  const up = await reaches((lines) => lines === 360, 60_000);
  t.diagnostic(`wide after ${up.length} s: ${JSON.stringify(publisher.status)}`);
  const heard = (/** @type {Record<string, any>[]} */ of) => of.filter(isHeard).length;
  t.diagnostic(`tone in hertz, second by second: ${reports.map(({ frequency }) => Math.round(frequency ?? 0)).join(' ')}`);
  t.diagnostic(`seconds with the tone: ${heard(down)} of ${down.length}, ${heard(alone)} of ${alone.length} alone, ${heard(up)} of ${up.length}`);
  assert.ok(heard(up) >= up.length - 1, 'sound goes on while the picture comes back');
  assert.equal(publisher.status.reconnects, 0, 'on one connection');
});
