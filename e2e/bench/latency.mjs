// node latency.mjs WATCH_URL SECONDS: how old the pictures of the watch page are, as one JSON object.
import { launch, quantiles } from './browser.mjs';
import { noteSteps, watchPictures } from './in-page.mjs';

const [, , url = '', seconds = '20'] = process.argv;

/** Pictures at first are larger than later, and the jitter buffer has not settled. */
const SETTLE_MS = 3_000;

const browser = await launch();
try {
  const page = await browser.newPage();
  await page.addInitScript(noteSteps);
  await page.goto(url);
  const stage = page.locator('video[data-testid=stage]');
  await page.waitForFunction(() => {
    const video = document.querySelector('video[data-testid=stage]');
    return video instanceof HTMLVideoElement && video.readyState >= 2 && !video.paused;
  });
  await page.waitForTimeout(SETTLE_MS);
  const seen = await stage.evaluate(watchPictures, Number(seconds) * 1000);
  if (seen.decoded.length === 0 || seen.shown.length === 0) throw new Error(`no picture could be read, of ${seen.unreadable}`);
  console.log(
    JSON.stringify({
      width: seen.width,
      height: seen.height,
      pictures: seen.decoded.length,
      unreadable: seen.unreadable,
      seconds: seen.seconds,
      decoded: quantiles(seen.decoded),
      shown: quantiles(seen.shown),
      jitter_buffer: seen.jitterBufferMs,
    }),
  );
} finally {
  await browser.close();
}
