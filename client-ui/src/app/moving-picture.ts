import { DRAWN } from '../media/picture';

/** Bytes before the planes: width, height and time of capture, as `src-tauri/src/media/pictures.rs` writes them. */
const HEADER_BYTES = 16;

/** A picture of the app's, as its header describes it. */
export interface PictureHeader {
  readonly width: number;
  readonly height: number;
  /** When it was captured, in microseconds on the app's clock. */
  readonly timestampUs: number;
}

/** Reads the header of a message; `null` where the message is not a picture. */
export function headerOf(message: ArrayBuffer): PictureHeader | null {
  if (message.byteLength < HEADER_BYTES) {
    return null;
  }
  const view = new DataView(message);
  const [width, height] = [view.getUint32(0, true), view.getUint32(4, true)];
  // Planes of 4:2:0: luma, and two of a quarter of that.
  const planes = (width * height * 3) / 2;
  return width > 0 && height > 0 && message.byteLength === HEADER_BYTES + planes
    ? { width, height, timestampUs: Number(view.getBigUint64(8, true)) }
    : null;
}

/** BT.601 with limited range, as cameras and H.264 in this app have it. */
const COLOUR: VideoColorSpaceInit = {
  matrix: 'smpte170m',
  primaries: 'smpte170m',
  transfer: 'smpte170m',
  fullRange: false,
};

/**
 * Draws the pictures that come over the WebSocket at `url` on `canvas`. Each is answered once it was drawn; until then the
 * app sends no other. While nobody can see the page, none is answered.
 *
 * @returns what ends it
 */
export function drawPictures(canvas: HTMLCanvasElement, url: string): () => void {
  const context = canvas.getContext('2d', { alpha: false, desynchronized: true });
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  let owed = false;
  const answer = (): void => {
    if (owed && !document.hidden && socket.readyState === WebSocket.OPEN) {
      owed = false;
      socket.send('');
    }
  };
  document.addEventListener('visibilitychange', answer);
  socket.onmessage = ({ data }: MessageEvent<unknown>) => {
    const header = data instanceof ArrayBuffer ? headerOf(data) : null;
    if (header !== null && context !== null) {
      draw(canvas, context, header, new Uint8Array(data as ArrayBuffer, HEADER_BYTES));
    }
    owed = true;
    answer();
  };
  return () => {
    document.removeEventListener('visibilitychange', answer);
    socket.onmessage = null;
    socket.close();
  };
}

function draw(
  canvas: HTMLCanvasElement,
  context: CanvasRenderingContext2D,
  { width, height, timestampUs }: PictureHeader,
  planes: Uint8Array<ArrayBuffer>,
): void {
  const resized = canvas.width !== width || canvas.height !== height || canvas.dataset['drawn'] === undefined;
  if (resized) {
    canvas.width = width;
    canvas.height = height;
  }
  const frame = new VideoFrame(planes, {
    format: 'I420',
    codedWidth: width,
    codedHeight: height,
    timestamp: timestampUs,
    colorSpace: COLOUR,
  });
  context.drawImage(frame, 0, 0);
  frame.close();
  if (resized) {
    canvas.dataset['drawn'] = '';
    canvas.dispatchEvent(new Event('resize'));
  }
  canvas.dispatchEvent(new Event(DRAWN));
}
