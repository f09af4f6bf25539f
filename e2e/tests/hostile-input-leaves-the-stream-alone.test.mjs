import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { halfOpen, hostileDatagrams, randomness, sendDatagrams, sendOverTcp } from '../fixtures/hostile.mjs';
import { publish } from '../fixtures/publisher.mjs';
import { startServer } from '../fixtures/server.mjs';
import { assertOnlyForward, framesRead, movesOn, pictures, watch } from '../fixtures/watching.mjs';

/** How much the server may grow while it is under attack, in bytes. What is sent to it is a multiple of that. */
const GROWTH = 64 * 1024 * 1024;

test('hostile input at every port gets clear errors, and the running stream is untouched', async (t) => {
  const server = await startServer(t);
  const publisher = await publish(t, server.url);
  const page = await openPage(t, await launchChromium(t));
  await watch(page, publisher.watchUrl);
  await framesRead(page, 30);
  const memoryBefore = await residentMemory(server.pid);
  const httpPort = server.port;

  await sendDatagrams(server.mediaPort, hostileDatagrams(20_000));
  await movesOn(page);

  const random = randomness(0xdead);
  for (let index = 0; index < 40; index += 1) {
    const bytes = random.bytes(1 + random.below(4000));
    await sendOverTcp(server.mediaPort, bytes, 50);
    await sendOverTcp(httpPort, bytes, 50);
  }
  // RFC 4571: a length that promises more than comes.
  await sendOverTcp(server.mediaPort, Buffer.from([0xff, 0xff, 1, 2, 3]), 50);
  await movesOn(page);

  await assertClearErrors(server.url, publisher.session);
  await assertTooLarge(server);
  await movesOn(page);

  const closeSilent = await halfOpen(httpPort, 1000);
  const closeSlow = await halfOpen(httpPort, 200, 'POST /whip/slow HTTP/1.1\r\nHost: localhost\r\nContent-Le');
  const closeMedia = await halfOpen(server.mediaPort, 500);
  await movesOn(page);
  closeSilent();
  closeSlow();
  closeMedia();
  assert.equal((await fetch(`${server.url}/healthz`)).status, 200);

  const grown = (await residentMemory(server.pid)) - memoryBefore;
  assert.ok(grown < GROWTH, `the server grew by ${grown} bytes`);
  assert.ok(server.program.isRunning);
  assert.equal(publisher.status.state, 'live');
  assertOnlyForward(await pictures(page));
});

/**
 * @param {string} url
 * @param {string} session
 */
async function assertClearErrors(url, session) {
  const sdp = { 'content-type': 'application/sdp' };
  const offer = 'v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n';
  /** @type {[string, RequestInit, number[]][]} */
  const attempts = [
    [`/whip/bad`, { method: 'POST', headers: sdp, body: '' }, [400]],
    [`/whip/bad`, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: offer }, [415]],
    [`/whip/${session}`, { method: 'POST', headers: sdp, body: offer }, [401]],
    [`/whep/nobody`, { method: 'POST', headers: sdp, body: offer }, [404]],
    [`/whip/${'x'.repeat(65)}`, { method: 'POST', headers: sdp, body: offer }, [400, 404]],
    [`/whip/a%2Fb`, { method: 'POST', headers: sdp, body: offer }, [400, 404]],
    [`/api/sessions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"title":' }, [400]],
    [`/ws/live/${session}/end`, { method: 'POST' }, [401]],
    [`/ws/live/nobody/stats`, {}, [404]],
    [`/whep/${session}?preview=perhaps`, { method: 'POST', headers: sdp, body: offer }, [400]],
  ];
  for (let length = 0; length < offer.length; length += 5) {
    attempts.push([`/whep/${session}`, { method: 'POST', headers: sdp, body: offer.slice(0, length) }, [400]]);
  }
  for (const [path, init, allowed] of attempts) {
    const what = `${init.method ?? 'GET'} ${path}`;
    const response = await fetch(`${url}${path}`, init);
    const body = await response.text();
    assert.ok(allowed.includes(response.status), `${what} answers ${response.status}: ${body}`);
    const error = JSON.parse(body);
    assert.match(error.code, /^[a-z0-9_]+$/, what);
    assert.ok(error.message.length > 0, what);
  }
}

/**
 * Ten megabytes are refused by their announcement alone: none of them is sent here, and no answer can wait for them.
 * @param {import('../fixtures/server.mjs').Server} server
 */
async function assertTooLarge(server) {
  for (const [path, type] of [
    ['/whip/bad', 'application/sdp'],
    ['/api/sessions', 'application/json'],
  ]) {
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 10485760\r\n\r\n`;
    const answer = await sendOverTcp(server.port, Buffer.from(head), 10_000);
    assert.match(answer, /^HTTP\/1\.1 413 /, path);
    assert.equal(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)).code, 'too_large', path);
  }
}

/**
 * Resident memory of a process in bytes.
 * @param {number} pid
 */
async function residentMemory(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  assert.ok(kibibytes, 'the kernel says how large a process is');
  return Number(kibibytes) * 1024;
}
