import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type EncodedMessage, SlotDecoder, decodedCodecs } from './slot-decoder';

/** A web view's decoder that gives out a frame when it is told to. */
class FakeDecoder {
  static opened: FakeDecoder[] = [];
  static supported: readonly string[] | Error = [];
  configured = '';
  state: CodecState = 'unconfigured';
  decodeQueueSize = 0;
  ondequeue: (() => void) | null = null;
  readonly chunks: EncodedVideoChunkInit[] = [];
  readonly #init: VideoDecoderInit;

  constructor(init: VideoDecoderInit) {
    this.#init = init;
    FakeDecoder.opened.push(this);
  }

  static isConfigSupported({ codec }: VideoDecoderConfig): Promise<{ supported: boolean }> {
    return FakeDecoder.supported instanceof Error
      ? Promise.reject(FakeDecoder.supported)
      : Promise.resolve({ supported: FakeDecoder.supported.includes(codec) });
  }

  configure({ codec }: VideoDecoderConfig): void {
    this.state = 'configured';
    this.configured = codec;
  }

  decode(chunk: EncodedVideoChunkInit): void {
    this.chunks.push(chunk);
    this.decodeQueueSize += 1;
  }

  /** Begins with the next chunk, which may give out nothing. */
  begin(): void {
    this.decodeQueueSize -= 1;
    this.ondequeue?.();
  }

  close(): void {
    this.state = 'closed';
  }

  give(timestamp: number): { close: ReturnType<typeof vi.fn> } {
    const frame = { timestamp, close: vi.fn() };
    this.#init.output(frame as unknown as VideoFrame);
    return frame;
  }

  fail(): void {
    this.state = 'closed';
    this.#init.error(new DOMException('', 'EncodingError'));
  }
}

function picture(
  timestampUs: number,
  type: 'key' | 'delta' = 'delta',
  shown = true,
  kind: EncodedMessage['kind'] = 'vp8',
): EncodedMessage {
  const colours = { matrix: 'bt601', fullRange: false } as const;
  return {
    kind,
    keyframe: type === 'key',
    colours,
    turns: 1,
    shown,
    width: 0,
    height: 0,
    timestampUs,
    content: new Uint8Array(1),
  };
}

function world() {
  const shown: number[] = [];
  const changed = vi.fn();
  const decoder = new SlotDecoder({ picture: (frame, turns) => shown.push(frame.timestamp + turns), changed });
  const view = (): FakeDecoder => FakeDecoder.opened.at(-1) ?? expect.fail('no decoder');
  return { decoder, shown, changed, view };
}

beforeEach(() => {
  FakeDecoder.opened = [];
  FakeDecoder.supported = [];
  vi.stubGlobal('VideoDecoder', FakeDecoder);
  vi.stubGlobal('EncodedVideoChunk', function chunk(init: EncodedVideoChunkInit) {
    return init;
  });
});
afterEach(() => void vi.unstubAllGlobals());

describe('SlotDecoder', () => {
  it('gives out what is to be shown, and closes what is only decoded', () => {
    const { decoder, shown, changed, view } = world();
    decoder.decode(picture(10, 'key'));
    decoder.decode(picture(20, 'delta', false));
    expect(view().chunks.map(({ type, timestamp }) => [type, timestamp])).toEqual([
      ['key', 10],
      ['delta', 20],
    ]);
    view().give(10);
    expect(view().give(20).close).toHaveBeenCalled();
    expect(shown).toEqual([11]);
    expect(changed).toHaveBeenCalledTimes(2);
    expect(decoder.takeLost()).toBe(false);
  });

  it('takes no more than it can hold until a frame comes out', () => {
    const { decoder, view } = world();
    [10, 20, 30].forEach((at) => decoder.decode(picture(at, at === 10 ? 'key' : 'delta')));
    expect(decoder.isReady).toBe(false);
    // The first one was never given out.
    view().give(20);
    expect(decoder.isReady).toBe(true);
  });

  it('takes more of somebody who sends hidden frames, once each was begun with', () => {
    const { decoder, shown, changed, view } = world();
    for (let at = 10; at <= 160; at += 10) {
      decoder.decode(picture(at, at === 10 ? 'key' : 'delta'));
      expect(decoder.isReady, 'not before it was begun with, from the third on').toBe(at < 30);
      view().begin();
      expect(decoder.isReady).toBe(true);
    }
    expect(changed).toHaveBeenCalledTimes(16);
    view().give(160);
    expect([shown, decoder.takeLost()]).toEqual([[161], false]);
  });

  it('begins anew with a keyframe where there is nothing to see for long', () => {
    const { decoder, shown, view } = world();
    for (let at = 10; at <= 170; at += 10) {
      decoder.decode(picture(at, at === 10 ? 'key' : 'delta'));
      view().begin();
    }
    expect([view().state, decoder.isReady, decoder.takeLost()]).toEqual(['closed', true, true]);
    decoder.decode(picture(180, 'key'));
    view().give(180);
    expect(shown).toEqual([181]);
  });

  it('hears no more of a decoder that was given up', () => {
    const { decoder, changed, view } = world();
    decoder.decode(picture(10, 'key'));
    decoder.close();
    view().begin();
    expect(changed).not.toHaveBeenCalled();
  });

  it('needs a keyframe at first', () => {
    const { decoder } = world();
    decoder.decode(picture(10));
    expect(FakeDecoder.opened).toHaveLength(0);
    expect([decoder.takeLost(), decoder.takeLost()]).toEqual([true, false]);
    expect(decoder.isReady).toBe(true);
  });

  it('begins anew with a keyframe after an error', () => {
    const { decoder, shown, changed, view } = world();
    decoder.decode(picture(10, 'key'));
    const broken = view();
    broken.fail();
    expect(changed).toHaveBeenCalledTimes(1);
    expect(decoder.isReady).toBe(true);
    decoder.decode(picture(20));
    expect(decoder.takeLost()).toBe(true);
    decoder.decode(picture(30, 'key'));
    expect(FakeDecoder.opened).toHaveLength(2);
    expect(broken.give(10).close, 'of the decoder that was given up').toHaveBeenCalled();
    view().give(30);
    expect(shown).toEqual([31]);
  });

  it('begins anew where the web view throws', () => {
    const { decoder, view } = world();
    decoder.decode(picture(10, 'key'));
    vi.spyOn(view(), 'decode').mockImplementation(() => {
      throw new DOMException('', 'DataError');
    });
    decoder.decode(picture(20));
    expect([view().state, decoder.takeLost()]).toEqual(['closed', true]);
  });

  it('begins anew with a keyframe where the codec is another one', () => {
    const { decoder, shown, view } = world();
    decoder.decode(picture(10, 'key'));
    const first = view();
    decoder.decode(picture(20, 'delta', true, 'vp9'));
    expect([first.state, decoder.takeLost(), FakeDecoder.opened.length]).toEqual(['closed', true, 1]);
    decoder.decode(picture(30, 'key', true, 'vp9'));
    view().give(30);
    decoder.decode(picture(40, 'key', true, 'av1'));
    view().give(40);
    expect(FakeDecoder.opened.map(({ configured }) => configured)).toEqual(['vp8', 'vp09.00.31.08', 'av01.0.05M.08']);
    expect(shown).toEqual([31, 41]);
  });

  it('waits longer for the first frame of a codec whose decoders work on several at a time', () => {
    const { decoder } = world();
    [10, 20, 30, 40, 50].forEach((at) => decoder.decode(picture(at, at === 10 ? 'key' : 'delta', true, 'av1')));
    expect(decoder.isReady).toBe(true);
  });

  it('frees the decoder when it is closed', () => {
    const { decoder, view } = world();
    decoder.close();
    decoder.decode(picture(10, 'key'));
    decoder.close();
    expect(view().state).toBe('closed');
  });
});

describe('what the web view decodes', () => {
  it.each([
    [
      ['vp8', 'vp09.00.31.08', 'av01.0.05M.08'],
      ['VP8', 'VP9', 'AV1'],
    ],
    [['vp8'], ['VP8']],
    [['av01.0.05M.08'], ['AV1']],
    [new Error('it knows no such thing'), []],
  ])('%s is %s', async (supported, expected) => {
    FakeDecoder.supported = supported;
    expect(await decodedCodecs()).toEqual(expected);
  });

  it('is nothing where there is no decoder', async () => {
    vi.stubGlobal('VideoDecoder', undefined);
    expect(await decodedCodecs()).toEqual([]);
  });
});
