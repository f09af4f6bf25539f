import type { Surface } from './engine';

/** Dispatched at a canvas by the engine that draws on it, after each frame; `resize` comes before it where the size changed. */
export const DRAWN = 'drawn';

/** Chromium paints this size before the first frame of a video. */
const PLACEHOLDER_PX = 2;

/** Width and height of what a surface shows, in pixels; 0 before there is anything. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** The size of what `surface` shows. */
export function sizeOf(surface: Surface): PictureSize {
  if (surface instanceof HTMLCanvasElement) {
    // Until something is drawn on it, a canvas has a size of its own.
    return surface.dataset['drawn'] === undefined
      ? { width: 0, height: 0 }
      : { width: surface.width, height: surface.height };
  }
  const { videoWidth: width, videoHeight: height } = surface;
  return width > PLACEHOLDER_PX && height > PLACEHOLDER_PX ? { width, height } : { width: 0, height: 0 };
}

/** Calls back with the next frame that `surface` presents, once. Returns what takes the request back. */
export function onNextFrame(surface: Surface, callback: () => void): () => void {
  if (surface instanceof HTMLVideoElement && 'requestVideoFrameCallback' in surface) {
    const handle = surface.requestVideoFrameCallback(callback);
    return () => surface.cancelVideoFrameCallback(handle);
  }
  const event = surface instanceof HTMLCanvasElement ? DRAWN : 'timeupdate';
  surface.addEventListener(event, callback, { once: true });
  return () => surface.removeEventListener(event, callback);
}

/**
 * Paints what `surface` shows onto `canvas`, which lies beneath it: an element that is given another stream is transparent
 * until that stream's first frame.
 */
export function holdPicture(surface: Surface, canvas: HTMLCanvasElement): void {
  const { width, height } = sizeOf(surface);
  if (width === 0 || (surface instanceof HTMLVideoElement && surface.readyState < HTMLMediaElement.HAVE_CURRENT_DATA)) {
    return;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext('2d')?.drawImage(surface, 0, 0);
}
