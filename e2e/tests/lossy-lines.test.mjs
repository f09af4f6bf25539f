// Publisher and viewer at the ends of bad lines: what is lost is sent again, and the picture keeps running.
import assert from 'node:assert/strict';
import { join } from 'node:path';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { startMovingHost } from '../fixtures/moving-network.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import { E2E } from '../fixtures/places.mjs';
import { publish } from '../fixtures/publisher.mjs';
import { assertOnlyForward, framesRead, watch } from '../fixtures/watching.mjs';

/** Of each line in each direction: a round trip of 100 ms, and 5 % lost on either way. */
const IMPAIRED = { delayMs: 50, loss: 0.05 };

/** Pictures that are looked at: a dozen seconds of them. */
const PICTURES = 180;

testInOwnNetwork('a picture keeps running over two lines that lose 5 % with round trips of 100 ms', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const [studio, home] = [await startMovingHost(t), await startMovingHost(t)];
  await studio.link({ impaired: IMPAIRED });
  await home.link({ impaired: IMPAIRED });
  const size = ['--size', '640x360', '--fps', '15', '--bitrate', '1M'];
  const publisher = await publish(t, server.url, ['--pattern', '--tone', ...size], {}, studio.within);
  const page = await openPage(t, await launchChromium(t, home.chromium));
  await page.addInitScript({ path: join(E2E, 'fixtures/in-page/connections.js') });
  await watch(page, `${server.url}/watch/${publisher.session}`);
  await framesRead(page, 30);
  const seen = await framesRead(page, 30 + PICTURES);
  assertOnlyForward(seen);
  const shown = seen.readings.slice(30).map(({ shownMs }) => shownMs);
  const gaps = shown.slice(1).map((at, index) => at - (shown[index] ?? at));
  const longest = Math.max(...gaps);
  t.diagnostic(`froze for ${longest.toFixed(0)} ms at most, ${gaps.filter((gap) => gap > 200).length} of ${gaps.length} gaps over 200 ms`);
  const { retransmittedPacketsReceived, roundTripMs } = await page.evaluate(() => window.pictureReceived());
  t.diagnostic(`froze in spite of ${retransmittedPacketsReceived} packets that were sent again, at ${roundTripMs} ms`);
  assert.ok(retransmittedPacketsReceived > 0, 'nothing was lost');
  assert.ok(roundTripMs >= 100, `a round trip of ${roundTripMs} ms`);
  // What is sent again arrives one round trip later, and a keyframe for what was lost twice after two: far below a second.
  assert.ok(longest < 1_000, `the picture stood still for ${longest} ms`);
  assert.equal(publisher.status.reconnects, 0);
});
