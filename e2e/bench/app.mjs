// node app.mjs SECONDS: what the app's window costs, as one JSON object: times in milliseconds, shares of one core in percent, all
// processes of the app's and the display's counted, memory in MB (proportional set size, smaps_rollup in proc(5)).
import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { makeHome, openApp } from '../fixtures/app.mjs';
import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { startDesktop } from '../fixtures/desktop.mjs';
import { publish } from '../fixtures/publisher.mjs';
import { startServer } from '../fixtures/server.mjs';
import { until } from '../fixtures/wait.mjs';
import { delays, followSound, framesRead, watch } from '../fixtures/watching.mjs';

const seconds = Number(process.argv[2] ?? '20');

/** How long the window is left alone before anything is measured, in milliseconds: what starting left to do is done by then. */
const SETTLE_MS = 8_000;

/** Pictures that a viewer has seen before sound and picture are compared, and clicks by which they are, one a second. */
const FRAMES_BEFORE = 150;
const CLICKS = 20;

/** Clock ticks a second in /proc (proc(5), `sysconf(_SC_CLK_TCK)`), which Linux shows to programs as 100 everywhere. */
const TICKS = 100;

/** What is watched: as large and as often as the preview, so that the two can be compared. */
const PATTERN = ['--pattern', '--tone', '--size', '640x360', '--fps', '30'];

/** Programs of the app's, and the display that it is drawn on. */
const MEASURED = /^(footlight-app|WebKit\w*Process|WebKitWebProces|WebKitNetworkPr|Xvfb)$/;

/** @type {(() => unknown)[]} */
const cleanup = [];
/** What the fixtures take for a test. */
const t = /** @type {import('node:test').TestContext} */ (
  /** @type {unknown} */ ({ name: 'bench app', after: (/** @type {() => unknown} */ undo) => cleanup.push(undo), diagnostic: console.error })
);

try {
  const server = await startServer(t);
  const [home, desktop] = [await makeHome(t), await startDesktop(t)];
  const begun = performance.now();
  const app = await openApp(t, { home, display: desktop.display, env: desktop.env });
  const startMs = performance.now() - begun;
  await app.fill('#name', 'Ada');
  await app.fill('#address', server.url);
  await app.click('=Connect');
  await app.element('main');
  console.error('idle');
  await sleep(SETTLE_MS);
  const idle = await measured();
  const memory = await pss();

  await app.evaluate(() => {
    const { drawImage, putImageData } = CanvasRenderingContext2D.prototype;
    const counter = Object.assign(window, { drawn: 0 });
    CanvasRenderingContext2D.prototype.drawImage = function (/** @type {any[]} */ ...args) {
      if (args[0] instanceof VideoFrame) counter.drawn += 1;
      return /** @type {any} */ (drawImage).apply(this, args);
    };
    CanvasRenderingContext2D.prototype.putImageData = function (/** @type {any[]} */ ...args) {
      counter.drawn += 1;
      return /** @type {any} */ (putImageData).apply(this, args);
    };
  });

  const publisher = await publish(t, server.url, PATTERN);
  await app.click(`a[href="/watch/${publisher.session}"]`);
  await until('a picture is drawn', async () => (await drawn(app)) > 0);
  console.error('watching');
  await sleep(SETTLE_MS);
  const watching = await withPictures(app);
  await app.click('a[href="/"]');
  await publisher.program.stop();
  await app.says('The stage is dark');

  await app.click('=Go live');
  await app.choose('[data-testid="camera-picker"]', 'Test pattern');
  await app.choose('[data-testid="microphone-picker"]', 'Test tone');
  await until('the preview is drawn', () =>
    app.evaluate(() => document.querySelector('canvas[data-testid="self"]')?.hasAttribute('data-drawn') ?? false),
  );
  console.error('preview');
  await sleep(SETTLE_MS);
  const preview = await withPictures(app);

  await app.click('[data-testid="go-live"]');
  await app.element('[data-testid="live-status"][data-live="true"]');
  const session = new URL(await app.url()).pathname.split('/').pop();
  await desktop.minimize('.*Footlight');
  console.error('live, minimised');
  await sleep(SETTLE_MS);
  const live = await measured();

  console.error('watched');
  const viewer = await openPage(t, await launchChromium(t), { viewport: { width: 1280, height: 800 } });
  await watch(viewer, `${server.url}/watch/${session}`);
  await framesRead(viewer, FRAMES_BEFORE);
  await followSound(viewer);
  const atViewer = await delays(viewer, CLICKS);
  console.log(JSON.stringify({ startMs, idle, memory, watching, preview, live, atViewer }));
} finally {
  for (const undo of cleanup.toReversed()) await undo();
}

/**
 * How many pictures of cameras were drawn so far.
 * @param {import('../fixtures/app.mjs').AppWindow} app
 */
function drawn(app) {
  return app.evaluate(() => /** @type {any} */ (window).drawn);
}

/**
 * The same as `measured`, and how many pictures were drawn a second.
 * @param {import('../fixtures/app.mjs').AppWindow} app
 */
async function withPictures(app) {
  const [before, from] = [await drawn(app), performance.now()];
  const shares = await measured();
  return { shares, fps: ((await drawn(app)) - before) / ((performance.now() - from) / 1000) };
}

/** Shares of one core by program, in percent, over the time that is measured. */
async function measured() {
  const [before, from] = [await ticks(), performance.now()];
  await sleep(seconds * 1000);
  const [after, passed] = [await ticks(), (performance.now() - from) / 1000];
  /** @type {Record<string, number>} */
  const shares = {};
  for (const [pid, { name, used }] of after) {
    const spent = used - (before.get(pid)?.used ?? 0);
    shares[name] = (shares[name] ?? 0) + (100 * spent) / TICKS / passed;
  }
  return shares;
}

/** What each process has used so far: fields 14 and 15 of `stat`. */
async function ticks() {
  /** @type {Map<string, { name: string, used: number }>} */
  const found = new Map();
  for (const pid of await processes()) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    if (stat === null) continue;
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (MEASURED.test(name)) found.set(pid, { name, used: Number(fields[11]) + Number(fields[12]) });
  }
  return found;
}

/** Memory by program, without the display's. */
async function pss() {
  /** @type {Record<string, number>} */
  const sizes = {};
  for (const [pid, { name }] of await ticks()) {
    const kilobytes = /^Pss:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => ''))?.[1];
    if (name !== 'Xvfb') sizes[name] = (sizes[name] ?? 0) + Number(kilobytes ?? 0) / 1000;
  }
  return sizes;
}

/** Process ids of whatever this program has started, and of what that has started. */
async function processes() {
  /** @type {Map<string, string>} */
  const parents = new Map();
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    const parent = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    if (parent !== undefined) parents.set(pid, parent);
  }
  const isOurs = (/** @type {string | undefined} */ pid) => {
    for (let at = pid; at !== undefined; at = parents.get(at)) if (at === String(process.pid)) return true;
    return false;
  };
  return [...parents.keys()].filter(isOurs);
}
