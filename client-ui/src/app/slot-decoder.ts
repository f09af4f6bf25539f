import type { PictureMessage } from './picture-message';

/** A picture that is decoded here. */
export type EncodedMessage = PictureMessage & { readonly kind: Encoded };

type Encoded = Exclude<PictureMessage['kind'], 'i420'>;

/** A codec that the app leaves to the page, as in SDP. */
export type PageCodec = Uppercase<Encoded>;

/** Those first that are decoded with the least work. */
const ENCODED: readonly Encoded[] = ['vp8', 'vp9', 'av1'];

/**
 * How each is asked for (W3C WebCodecs codec registry). The profile is what is offered; size and level follow what is sent, and
 * 720p at 30 a second stands for them.
 */
const CONFIGURATIONS: Readonly<Record<Encoded, VideoDecoderConfig>> = {
  vp8: { codec: 'vp8', optimizeForLatency: true },
  vp9: { codec: 'vp09.00.31.08', optimizeForLatency: true },
  av1: { codec: 'av01.0.05M.08', optimizeForLatency: true },
};

/**
 * Frames that a decoder may hold without having given one out: some begin only with the second or third, and those of AV1 that work
 * on several at a time, later. More would be shown later than the app meant it.
 */
const MOST_HELD: Readonly<Record<Encoded, number>> = { vp8: 3, vp9: 3, av1: 10 };

/**
 * Frames that a decoder may begin with and give nothing out: those that are hidden within their codec, as VP8 has them. Half a
 * second at 30 a second; whoever sends more of them is asked for a keyframe.
 */
const MOST_UNSEEN = 16;

/** Whether a picture is decoded here. */
export function isEncoded(picture: PictureMessage): picture is EncodedMessage {
  return picture.kind !== 'i420';
}

/** What the web view decodes (W3C WebCodecs). */
export async function decodedCodecs(): Promise<readonly PageCodec[]> {
  const decoded = await Promise.all(ENCODED.map(async (kind) => ((await isDecoded(kind)) ? [kind] : [])));
  return decoded.flat().map((kind) => kind.toUpperCase() as PageCodec);
}

async function isDecoded(kind: Encoded): Promise<boolean> {
  try {
    return (await VideoDecoder.isConfigSupported(CONFIGURATIONS[kind])).supported === true;
  } catch {
    return false;
  }
}

/** What a decoder tells. */
interface DecoderEvents {
  /** A picture to be shown; whoever is told closes it. */
  picture(frame: VideoFrame, turns: number): void;
  /** It may be {@link SlotDecoder.isReady} now, or have lost its way. */
  changed(): void;
}

/** Decodes the pictures of one slot, in whatever codec each is. */
export class SlotDecoder {
  readonly #events: DecoderEvents;
  #decoder: VideoDecoder | null = null;
  /** Of the decoder. */
  #kind: Encoded = 'vp8';
  /** What is being decoded, oldest first. */
  #held: EncodedMessage[] = [];
  #lost = false;

  constructor(events: DecoderEvents) {
    this.#events = events;
  }

  /**
   * Whether it takes another frame. One that has begun with all it was given waits for the next: whoever sends only hidden
   * frames would otherwise be waited for without end, and so would the next one in the slot.
   */
  get isReady(): boolean {
    return this.#held.length < MOST_HELD[this.#kind] || this.#decoder?.decodeQueueSize === 0;
  }

  /** Whether it needs a keyframe, said once. */
  takeLost(): boolean {
    const lost = this.#lost;
    this.#lost = false;
    return lost;
  }

  decode(picture: EncodedMessage): void {
    const { kind, keyframe, timestampUs, content } = picture;
    if (kind !== this.#kind || this.#held.length >= MOST_UNSEEN) {
      // Somebody else is in the slot, or somebody of whom there is nothing to see.
      this.close();
      this.#kind = kind;
    }
    if (keyframe) {
      this.#decoder ??= this.#open();
    }
    if (this.#decoder === null) {
      this.#lost = true;
      return;
    }
    this.#held.push(picture);
    try {
      this.#decoder.decode(
        new EncodedVideoChunk({ type: keyframe ? 'key' : 'delta', timestamp: timestampUs, data: content }),
      );
    } catch {
      this.#fail(this.#decoder);
    }
  }

  close(): void {
    const decoder = this.#decoder;
    this.#decoder = null;
    this.#held = [];
    if (decoder !== null && decoder.state !== 'closed') {
      decoder.close();
    }
  }

  #open(): VideoDecoder {
    const decoder: VideoDecoder = new VideoDecoder({
      output: (frame) => this.#out(decoder, frame),
      error: () => this.#fail(decoder),
    });
    decoder.ondequeue = () => {
      if (decoder === this.#decoder) {
        this.#events.changed();
      }
    };
    decoder.configure(CONFIGURATIONS[this.#kind]);
    return decoder;
  }

  #out(decoder: VideoDecoder, frame: VideoFrame): void {
    const place = this.#held.findIndex(({ timestampUs }) => timestampUs === frame.timestamp);
    const picture = this.#held[place];
    // Frames before it that were not given out are never shown.
    this.#held.splice(0, place + 1);
    if (decoder === this.#decoder && picture?.shown === true) {
      this.#events.picture(frame, picture.turns);
    } else {
      frame.close();
    }
    this.#events.changed();
  }

  #fail(decoder: VideoDecoder): void {
    if (decoder === this.#decoder) {
      this.close();
      this.#lost = true;
      this.#events.changed();
    }
  }
}
