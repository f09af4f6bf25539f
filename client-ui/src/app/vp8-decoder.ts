import type { PictureMessage } from './picture-message';

const CONFIGURATION: VideoDecoderConfig = { codec: 'vp8', optimizeForLatency: true };

/**
 * Frames that a decoder may hold without having given one out: some begin only with the second or third. More would be shown
 * later than the app meant it.
 */
const MOST_HELD = 3;

/** Whether the web view decodes VP8 (W3C WebCodecs). */
export async function decodesVp8(): Promise<boolean> {
  try {
    return (await VideoDecoder.isConfigSupported(CONFIGURATION)).supported === true;
  } catch {
    return false;
  }
}

/** What a decoder tells. */
interface Vp8Events {
  /** A picture to be shown; whoever is told closes it. */
  picture(frame: VideoFrame, turns: number): void;
  /** It may be {@link Vp8Decoder.isReady} now, or have lost its way. */
  changed(): void;
}

/** Decodes the pictures of one slot in VP8. */
export class Vp8Decoder {
  readonly #events: Vp8Events;
  #decoder: VideoDecoder | null = null;
  /** What is being decoded, oldest first. */
  #held: PictureMessage[] = [];
  #lost = false;

  constructor(events: Vp8Events) {
    this.#events = events;
  }

  /** Whether it takes another frame. */
  get isReady(): boolean {
    return this.#held.length < MOST_HELD;
  }

  /** Whether it needs a keyframe, said once. */
  takeLost(): boolean {
    const lost = this.#lost;
    this.#lost = false;
    return lost;
  }

  decode(picture: PictureMessage): void {
    if (picture.kind === 'key') {
      this.#decoder ??= this.#open();
    }
    if (this.#decoder === null) {
      this.#lost = true;
      return;
    }
    this.#held.push(picture);
    const { kind, timestampUs, content } = picture;
    try {
      this.#decoder.decode(
        new EncodedVideoChunk({ type: kind === 'key' ? 'key' : 'delta', timestamp: timestampUs, data: content }),
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
    decoder.configure(CONFIGURATION);
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
