import { afterEach, expect, it, vi } from 'vitest';

async function engineOn(phone: boolean): Promise<string> {
  vi.resetModules();
  const { chooseEngine } = await import('./engine-choice');
  chooseEngine(phone);
  const { mediaEngine } = await import('../media/current');
  const { studioEngine } = await import('../studio/engine');
  expect(studioEngine().surface).toBe(mediaEngine().surface);
  // Only a web view's own WebRTC speaks to other browsers.
  expect(mediaEngine().meshless ?? false).toBe(mediaEngine().surface === 'canvas');
  return mediaEngine().surface;
}

afterEach(() => void vi.unstubAllGlobals());

it('is the app’s own on a desktop without WebRTC, and the browser’s everywhere else', async () => {
  vi.stubGlobal('RTCPeerConnection', undefined);
  expect(await engineOn(false)).toBe('canvas');
  expect(await engineOn(true)).toBe('video');
  vi.stubGlobal('RTCPeerConnection', () => undefined);
  expect(await engineOn(false)).toBe('video');
  expect(await engineOn(true)).toBe('video');
});
