// Firefox behind firewalls, where it watches and then is on the stage: without UDP, and by one port that takes nothing but TLS.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { launchChromium } from '../fixtures/browsers.mjs';
import { blockUdp, openOnly, tlsOnlyPort } from '../fixtures/firewall.mjs';
import { comeOnStageInFirefox, enterInFirefox, profileThatAccepts } from '../fixtures/in-firefox.mjs';
import { startMovingHost } from '../fixtures/moving-network.mjs';
import { startServerInOwnNetwork, testInOwnNetwork } from '../fixtures/own-network.mjs';
import { E2E } from '../fixtures/places.mjs';
import { arrive, arriveInFirefox, goLive, sees, withoutCodec } from '../fixtures/room.mjs';
import { startServer } from '../fixtures/server.mjs';

/**
 * Ann goes live beside the server; Fay watches her from the host, in Firefox, and joins her on the stage. Answers which ways
 * Fay's media took.
 * @param {import('node:test').TestContext} t
 * @param {import('../fixtures/moving-network.mjs').MovingHost} host
 * @param {{ ann: string, fay: string }} urls the server's, as each reaches it
 * @param {Parameters<typeof arriveInFirefox>[2]} firefox
 */
async function waysOfFay(t, host, urls, firefox) {
  const ann = await arrive(t, await launchChromium(t), 'Ann', { ignoreHTTPSErrors: true });
  // Debian's Firefox plays no H.264.
  await withoutCodec(ann, 'video/H264');
  const session = await goLive(ann, urls.ann, { name: 'Ann' });

  const fay = await arriveInFirefox(t, 'Fay', { ...(await host.firefox()), ...firefox });
  await fay.evaluateOnNewDocument(await readFile(join(E2E, 'fixtures/in-page/connections.js'), 'utf8'));
  const began = Date.now();
  await enterInFirefox(fay, urls.fay, session, 'Fay');
  await sees(fay, ['Ann']);
  t.diagnostic(`first frame after ${Date.now() - began} ms`);
  const watching = await fay.evaluate(() => window.mediaWay());
  // The newest connection is from then on that of her own camera.
  await comeOnStageInFirefox(fay, ann, 'Fay');
  await sees(ann, ['Fay']);
  return { watching, onStage: await fay.evaluate(() => window.mediaWay()) };
}

/**
 * Elsewhere than on localhost, pages without TLS are given no camera.
 * @param {string} url
 */
const treatAsSecure = (url) => ({ preferences: { 'dom.securecontext.allowlist': new URL(url).hostname } });

testInOwnNetwork('without UDP, Firefox goes by TCP', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const host = await startMovingHost(t);
  const link = await host.link();
  await blockUdp(link.device);
  const urls = { ann: server.localUrl, fay: server.url };
  const { watching, onStage } = await waysOfFay(t, host, urls, treatAsSecure(server.url));
  for (const way of [watching, onStage]) assert.deepEqual([way?.type, way?.protocol], ['host', 'tcp']);
});

testInOwnNetwork('without UDP and without the media port, Firefox goes by the port of the pages', import.meta.url, async (t) => {
  const server = await startServerInOwnNetwork(t);
  const host = await startMovingHost(t);
  const link = await host.link();
  await openOnly(link.device, server.port);
  const urls = { ann: server.localUrl, fay: server.url };
  const { watching, onStage } = await waysOfFay(t, host, urls, treatAsSecure(server.url));
  for (const way of [watching, onStage]) {
    assert.deepEqual([way?.type, way?.protocol, way?.port], ['host', 'tcp', server.port]);
  }
});

testInOwnNetwork('by one port that takes nothing but TLS, Firefox is relayed', import.meta.url, async (t) => {
  const server = await startServer(t, { tls: true, listen: '0.0.0.0:0', advertise: '198.51.100.1' });
  const port = await tlsOnlyPort(t, server.port);
  const host = await startMovingHost(t);
  const link = await host.link();
  await openOnly(link.device, port);
  // By a name, as Firefox takes no TURN by TLS at an address. The exception that was made for the page holds for it, too.
  const urls = { ann: `https://127.0.0.1:${server.port}`, fay: `https://footlight.test:${port}` };
  const certificate = await readFile(join(server.dataDir, 'certificate.pem'));
  const { watching, onStage } = await waysOfFay(t, host, urls, {
    profile: await profileThatAccepts(t, urls.fay, certificate),
    preferences: { 'network.dns.forceResolve': '198.51.100.1' },
  });
  for (const way of [watching, onStage]) assert.deepEqual([way?.type, way?.relayProtocol], ['relay', 'tls']);
});
