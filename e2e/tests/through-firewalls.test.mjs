// Media through firewalls: without UDP, by one port that takes nothing but TLS, and where there is no IPv4. For Firefox,
// see `firefox-through-firewalls.test.mjs`.
import assert from 'node:assert/strict';
import { X509Certificate, createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { launchChromium, openPage } from '../fixtures/browsers.mjs';
import { blockUdp, openOnly, tlsOnlyPort } from '../fixtures/firewall.mjs';
import { startMovingHost } from '../fixtures/moving-network.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import { E2E } from '../fixtures/places.mjs';
import { SMALL, publish } from '../fixtures/publisher.mjs';
import { startServer } from '../fixtures/server.mjs';
import { assertOnlyForward, framesRead, says, watch } from '../fixtures/watching.mjs';

const PATTERN = ['--pattern', '--tone', ...SMALL];

/** Different frames that have to be decoded: four seconds of the pattern. */
const FRAMES = 60;

/**
 * A page that tells which way its media took.
 * @param {import('node:test').TestContext} t
 * @param {import('../fixtures/moving-network.mjs').MovingHost} host
 * @param {{ flags?: string[], options?: import('playwright-core').BrowserContextOptions }} [how]
 */
async function pageOn(t, host, { flags = [], options = {} } = {}) {
  const browser = await launchChromium(t, { ...host.chromium, flags });
  const page = await openPage(t, browser, { viewport: { width: 1280, height: 800 }, ...options });
  await page.context().addInitScript({ path: join(E2E, 'fixtures/in-page/connections.js') });
  return page;
}

/**
 * @param {import('node:test').TestContext} t
 * @param {import('playwright-core').Page} page
 * @param {string} url
 */
async function wayOfThePicture(t, page, url) {
  const began = Date.now();
  await watch(page, url);
  await framesRead(page, 1);
  t.diagnostic(`first frame after ${Date.now() - began} ms`);
  assertOnlyForward(await framesRead(page, FRAMES));
  await says(page, 'live');
  return page.evaluate(() => window.mediaWay());
}

testInOwnNetwork('without UDP, publisher and browser go by TCP', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const host = await startMovingHost(t);
  const link = await host.link();
  await blockUdp(link.device);
  const publisher = await publish(t, server.url, PATTERN, {}, host.within);
  const way = await wayOfThePicture(t, await pageOn(t, host), publisher.watchUrl);
  assert.equal(way?.protocol, 'tcp');
  assert.notEqual(way?.type, 'relay');
});

testInOwnNetwork('without UDP and without the media port, both go by the port of the pages', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const host = await startMovingHost(t);
  const link = await host.link();
  await openOnly(link.device, server.port);
  const publisher = await publish(t, server.url, PATTERN, {}, host.within);
  const way = await wayOfThePicture(t, await pageOn(t, host), publisher.watchUrl);
  assert.deepEqual([way?.protocol, way?.port], ['tcp', server.port]);
  assert.notEqual(way?.type, 'relay');
});

testInOwnNetwork('by one port that takes nothing but TLS, a browser is relayed', import.meta.url, async (t) => {
  const server = await startServer(t, { tls: true, listen: '0.0.0.0:0', advertise: '198.51.100.1' });
  const port = await tlsOnlyPort(t, server.port);
  const host = await startMovingHost(t);
  const link = await host.link();
  await openOnly(link.device, port);
  const publisher = await publish(t, `https://127.0.0.1:${server.port}`, PATTERN);
  // Chromium takes no exception for TURN by TLS: the certificate has to be one that it trusts, as this makes it.
  const certificate = new X509Certificate(await readFile(join(server.dataDir, 'certificate.pem')));
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
  const trusted = createHash('sha256').update(key).digest('base64');
  const page = await pageOn(t, host, { flags: [`--ignore-certificate-errors-spki-list=${trusted}`] });
  const way = await wayOfThePicture(t, page, `https://198.51.100.1:${port}/watch/${publisher.session}`);
  assert.deepEqual([way?.type, way?.relayProtocol], ['relay', 'tls']);
});

testInOwnNetwork('without IPv4, publisher and browser go by IPv6', import.meta.url, async (t) => {
  const host = await startMovingHost(t);
  const link = await host.link({ ipv6: true });
  const server = await startServer(t, { listen: '[::]:0', advertise: link.server });
  const publisher = await publish(t, `http://[${link.server}]:${server.port}`, PATTERN, {}, host.within);
  const way = await wayOfThePicture(t, await pageOn(t, host), publisher.watchUrl);
  assert.deepEqual([way?.protocol, way?.server], ['udp', link.server]);
});
