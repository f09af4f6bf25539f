import { DRAWN } from '../media/picture';
import { type PictureMessage, pictureIn } from './picture-message';
import { Vp8Decoder } from './vp8-decoder';

/** BT.601 with limited range, as cameras and H.264 in this app have it. */
const COLOUR: VideoColorSpaceInit = {
  matrix: 'smpte170m',
  primaries: 'smpte170m',
  transfer: 'smpte170m',
  fullRange: false,
};

/** The answer to a picture that could not be decoded, as `src-tauri/src/media/feeds.rs` reads it. */
const LOST = 'keyframe';

/**
 * Draws the pictures that come over the WebSocket at `url` on `canvas`. Each is answered once it was drawn, or once the decoder
 * is ready for the next; until then the app sends no other. While nobody can see the page, none is answered.
 *
 * @returns what ends it
 */
export function drawPictures(canvas: HTMLCanvasElement, url: string): () => void {
  const context = canvas.getContext('2d', { alpha: false, desynchronized: true });
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  let owed = false;
  const decoder = new Vp8Decoder({
    picture: (frame, turns) => draw(canvas, context, frame, turns),
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
    if (picture?.kind === 'i420') {
      draw(canvas, context, frameOf(picture), picture.turns);
    } else if (picture !== null) {
      decoder.decode(picture);
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

function frameOf({ width, height, timestampUs, content }: PictureMessage): VideoFrame {
  return new VideoFrame(content, {
    format: 'I420',
    codedWidth: width,
    codedHeight: height,
    timestamp: timestampUs,
    colorSpace: COLOUR,
  });
}

/** Draws `frame`, turned clockwise by so many quarters, and closes it. */
function draw(
  canvas: HTMLCanvasElement,
  context: CanvasRenderingContext2D | null,
  frame: VideoFrame,
  turns: number,
): void {
  const { displayWidth, displayHeight } = frame;
  const lies = turns % 2 === 1;
  const [width, height] = lies ? [displayHeight, displayWidth] : [displayWidth, displayHeight];
  const resized = canvas.width !== width || canvas.height !== height || canvas.dataset['drawn'] === undefined;
  if (resized) {
    canvas.width = width;
    canvas.height = height;
  }
  context?.setTransform(1, 0, 0, 1, 0, 0);
  context?.translate(width / 2, height / 2);
  context?.rotate((turns * Math.PI) / 2);
  context?.drawImage(frame, -displayWidth / 2, -displayHeight / 2);
  frame.close();
  if (resized) {
    canvas.dataset['drawn'] = '';
    canvas.dispatchEvent(new Event('resize'));
  }
  canvas.dispatchEvent(new Event(DRAWN));
}
