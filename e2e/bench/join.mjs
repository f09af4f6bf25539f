// node join.mjs WATCH_URL COUNT: how long the watch page takes to its first picture, as one JSON object.
import { launch, quantiles } from './browser.mjs';
import { noteSteps } from './in-page.mjs';

const [, , url = '', count = '30'] = process.argv;

/** What is noted on the way, in order. */
const STEPS = ['scripted', 'offered', 'answered', 'connected', 'pictured'];

const browser = await launch();
try {
  /** @type {Record<string, number>[]} */
  const joins = [];
  while (joins.length < Number(count)) {
    // A context of its own has an empty cache: the first visit of a person.
    const context = await browser.newContext();
    await context.addInitScript(noteSteps);
    const page = await context.newPage();
    await page.goto(url);
    const seen = await page.waitForFunction(() => {
      const { steps } = /** @type {any} */ (window).bench;
      return steps.pictured === undefined ? null : steps;
    });
    joins.push(await seen.jsonValue());
    await context.close();
  }
  // The first one starts the browser's own processes for media, which later visits find running.
  const counted = joins.length > 1 ? joins.slice(1) : joins;
  const times = STEPS.map((step) => [step, quantiles(counted.map((steps) => steps[step] ?? NaN))]);
  console.log(JSON.stringify({ joins: counted.length, ...Object.fromEntries(times) }));
} finally {
  await browser.close();
}
