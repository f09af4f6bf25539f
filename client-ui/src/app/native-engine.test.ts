import { describe, expect, it, vi } from 'vitest';
import type { MediaCommands } from './media-commands';
import { NativeEngine } from './native-engine';
import type { PageCodec } from './slot-decoder';

function engine(decoded: readonly PageCodec[]) {
  const subscribe = vi.fn(() => Promise.resolve({ subscription: 1, sdp: 'offer', slots: [] }));
  const commands = { subscribe, setVolume: () => Promise.resolve() } as unknown as MediaCommands;
  return { engine: new NativeEngine(commands, Promise.resolve(decoded)), subscribe };
}

describe('NativeEngine', () => {
  it.each([[['VP8', 'VP9', 'AV1']], [['VP8']], [[]]] satisfies [PageCodec[]][])(
    'asks for what the web view decodes: %s',
    async (decoded) => {
      const { engine: native, subscribe } = engine(decoded);
      const subscription = native.subscribe({ audio: 1, video: 2 }, { transport: () => undefined });
      expect(await subscription.offer).toBe('offer');
      expect(subscribe).toHaveBeenCalledWith({ audio: 1, video: 2 }, decoded, expect.anything());
      expect(await native.videoCodecs()).toEqual(['H264', ...decoded]);
    },
  );
});
