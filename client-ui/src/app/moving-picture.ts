import { DRAWN } from '../media/picture';
import { writeColours } from './i420';
import { type PictureMessage, pictureIn } from './picture-message';
import { SlotDecoder, isEncoded } from './slot-decoder';

/** The answer to a picture that could not be decoded, as `src-tauri/src/media/feeds.rs` reads it. */
const LOST = 'keyframe';

/**
 * Draws the pictures that come over the WebSocket at `url` on `canvas`. Each is answered once it was drawn, or once the decoder
 * is ready for the next; until then the app sends no other. While nobody can see the page, none is answered.
 *
 * @returns what ends it
 */
export function drawPictures(canvas: HTMLCanvasElement, url: string): () => void {
  const surface = new Surface(canvas);
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  let owed = false;
  const decoder = new SlotDecoder({
    picture: (frame, turns) => surface.drawFrame(frame, turns),
    changed: () => answer(),
  });
  const answer = (): void => {
    if (owed && decoder.isReady && !document.hidden && socket.readyState === WebSocket.OPEN) {
      owed = false;
      socket.send(decoder.takeLost() ? LOST : '');
    }
  };
  document.addEventListener('visibilitychange', answer);
  socket.onmessage = ({ data }: MessageEvent<unknown>) => {
    const picture = data instanceof ArrayBuffer ? pictureIn(data) : null;
    owed = true;
    if (picture !== null && isEncoded(picture)) {
      decoder.decode(picture);
    } else if (picture !== null) {
      surface.drawPlanes(picture);
    }
    answer();
  };
  return () => {
    document.removeEventListener('visibilitychange', answer);
    socket.onmessage = null;
    decoder.close();
    socket.close();
  };
}

/** What pictures are drawn on. */
class Surface {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D | null;
  /** Of the last picture that came in planes, to be written over. */
  #image = new ImageData(1, 1);
  #pixels = new Uint32Array(this.#image.data.buffer);

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d', { alpha: false, desynchronized: true });
  }

  /**
   * The colours are made here, and not by drawing the planes as a `VideoFrame`: WebKitGTK has GStreamer convert each of those, which
   * takes longer than all of this.
   */
  drawPlanes({ width, height, turns, colours, content }: PictureMessage): void {
    this.#draw(width, height, turns, (context, across, down) => {
      if (this.#image.width !== across || this.#image.height !== down) {
        this.#image = new ImageData(across, down);
        this.#pixels = new Uint32Array(this.#image.data.buffer);
      }
      writeColours(content, width, height, turns, colours, this.#pixels);
      context.putImageData(this.#image, 0, 0);
    });
  }

  /** Draws `frame`, turned clockwise by so many quarters, and closes it. */
  drawFrame(frame: VideoFrame, turns: number): void {
    const { displayWidth: width, displayHeight: height } = frame;
    this.#draw(width, height, turns, (context, across, down) => {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.translate(across / 2, down / 2);
      context.rotate((turns * Math.PI) / 2);
      context.drawImage(frame, -width / 2, -height / 2);
    });
    frame.close();
  }

  /** Draws a picture that has this size before it is turned, on a canvas of the size that it has then. */
  #draw(
    width: number,
    height: number,
    turns: number,
    draw: (context: CanvasRenderingContext2D, across: number, down: number) => void,
  ): void {
    const canvas = this.#canvas;
    const [across, down] = turns % 2 === 1 ? [height, width] : [width, height];
    const resized = canvas.width !== across || canvas.height !== down || canvas.dataset['drawn'] === undefined;
    if (resized) {
      canvas.width = across;
      canvas.height = down;
    }
    if (this.#context !== null) {
      draw(this.#context, across, down);
    }
    if (resized) {
      canvas.dataset['drawn'] = '';
      canvas.dispatchEvent(new Event('resize'));
    }
    canvas.dispatchEvent(new Event(DRAWN));
  }
}
