import { describe, expect, it, vi } from 'vitest';
import type { MediaCommands } from './media-commands';
import { NativeEngine } from './native-engine';

function engine(vp8: boolean) {
  const subscribe = vi.fn(() => Promise.resolve({ subscription: 1, sdp: 'offer', slots: [] }));
  const commands = { subscribe, setVolume: () => Promise.resolve() } as unknown as MediaCommands;
  return { engine: new NativeEngine(commands, Promise.resolve(vp8)), subscribe };
}

describe('NativeEngine', () => {
  it.each([
    [true, ['H264', 'VP8']],
    [false, ['H264']],
  ])('asks for VP8 where the web view decodes it: %s', async (vp8, codecs) => {
    const { engine: native, subscribe } = engine(vp8);
    const subscription = native.subscribe({ audio: 1, video: 2 }, { transport: () => undefined });
    expect(await subscription.offer).toBe('offer');
    expect(subscribe).toHaveBeenCalledWith({ audio: 1, video: 2 }, vp8, expect.anything());
    expect(native.videoCodecs()).toEqual(codecs);
  });
});
