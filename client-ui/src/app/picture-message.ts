/** Bytes before a picture, as `src-tauri/src/media/feeds.rs` writes them. */
const HEADER_BYTES = 20;

/** What follows the header: planes, or a frame that is decoded here. */
const KINDS = ['i420', 'vp8', 'vp9', 'av1'] as const;

/** How planes become red, green and blue (ITU-T H.273 §8.3). */
export interface PlaneColours {
  readonly matrix: 'bt601' | 'bt709';
  /** Whether 0 is black and 255 white, and not 16 and 235. */
  readonly fullRange: boolean;
}

/** A picture of the app's. */
export interface PictureMessage {
  readonly kind: (typeof KINDS)[number];
  /** Whether a frame refers to no other. */
  readonly keyframe: boolean;
  /** Of planes. */
  readonly colours: PlaneColours;
  /** Quarter turns clockwise. */
  readonly turns: number;
  /** Whether it is to be shown, and not only to be decoded because others refer to it. */
  readonly shown: boolean;
  /** In pixels; 0 where the picture itself tells it. */
  readonly width: number;
  readonly height: number;
  /** When it was captured, in microseconds on the app's clock. */
  readonly timestampUs: number;
  readonly content: Uint8Array<ArrayBuffer>;
}

/** Reads a message; `null` where it is not a picture. */
export function pictureIn(message: ArrayBuffer): PictureMessage | null {
  if (message.byteLength <= HEADER_BYTES) {
    return null;
  }
  const view = new DataView(message);
  const kind = KINDS[view.getUint8(0)];
  const [width, height] = [view.getUint32(4, true), view.getUint32(8, true)];
  const content = new Uint8Array(message, HEADER_BYTES);
  // Planes of 4:2:0: luma, and two of a quarter of that.
  const even = width > 0 && height > 0 && width % 2 === 0 && height % 2 === 0;
  const whole = kind !== 'i420' || (even && content.length === (width * height * 3) / 2);
  if (kind === undefined || !whole) {
    return null;
  }
  const [turns, shown, own] = [view.getUint8(1) % 4, view.getUint8(2) !== 0, view.getUint8(3)];
  const colours: PlaneColours = { matrix: (own & 1) === 0 ? 'bt601' : 'bt709', fullRange: (own & 2) !== 0 };
  return {
    kind,
    keyframe: (own & 1) !== 0,
    colours,
    turns,
    shown,
    width,
    height,
    timestampUs: Number(view.getBigUint64(12, true)),
    content,
  };
}
