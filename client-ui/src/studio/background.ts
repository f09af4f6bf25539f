/** Largest background picture that the server takes, in bytes. */
export const MAX_BACKGROUND_BYTES = 2 * 1024 * 1024;

/** What it takes. */
export const BACKGROUND_TYPES = ['image/jpeg', 'image/png', 'image/webp'] as const;

/** A background fills a screen, and lies behind everything: more than this nobody sees. */
const MAX_SIDE_PX = 1920;

/** No difference to the eye at half the bytes of the highest. */
const JPEG_QUALITY = 0.85;

/** Width and height so that neither is longer than `side`, in the same proportion. Never larger than it was. */
export function fitted(width: number, height: number, side: number): { width: number; height: number } {
  const scale = Math.min(1, side / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** Whether the server takes `file` as it is. */
export function isTaken(file: Pick<Blob, 'type' | 'size'>): boolean {
  return BACKGROUND_TYPES.some((type) => type === file.type) && file.size <= MAX_BACKGROUND_BYTES;
}

/**
 * A picture as the server takes it: photos of today's phones are several times too large.
 *
 * @throws Error - in words, where it is no picture or cannot be made small enough
 */
export async function prepareBackground(file: Blob): Promise<Blob> {
  const picture = await createImageBitmap(file).catch(() => {
    throw new Error('This file is not a picture that the browser can read. Choose a JPEG, PNG or WebP.');
  });
  if (isTaken(file)) {
    picture.close();
    return file;
  }
  const { width, height } = fitted(picture.width, picture.height, MAX_SIDE_PX);
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  canvas.getContext('2d')?.drawImage(picture, 0, 0, width, height);
  picture.close();
  const made = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', JPEG_QUALITY));
  if (made === null || !isTaken(made)) {
    throw new Error('This picture could not be made smaller than 2 MB. Choose a smaller one.');
  }
  return made;
}
