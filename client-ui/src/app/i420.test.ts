import { describe, expect, it } from 'vitest';
import { writeColours } from './i420';
import type { PlaneColours } from './picture-message';

const CAMERA: PlaneColours = { matrix: 'bt601', fullRange: false };

/** R, G, B and A of each pixel. */
function colours(planes: Uint8Array, width: number, height: number, turns: number, as = CAMERA): number[][] {
  const pixels = new Uint32Array(width * height);
  writeColours(planes, width, height, turns, as, pixels);
  const bytes = new Uint8Array(pixels.buffer);
  return Array.from(pixels, (_, at) => [...bytes.subarray(4 * at, 4 * at + 4)]);
}

const clamp = (value: number) => Math.min(255, Math.max(0, value));

/** By the definitions (ITU-R BT.601-7 §2.5, BT.709-6 items 3.2 and 3.3), for a picture of one colour. */
function defined({ matrix, fullRange }: PlaneColours, y: number, u: number, v: number): number[] {
  const luma = fullRange ? y : (255 / 219) * (y - 16);
  const [blue, red] = [u, v].map((value) => (fullRange ? 1 : 255 / 224) * (value - 128)) as [number, number];
  const [green, redder, bluer] =
    matrix === 'bt601'
      ? [(-0.299 * 1.402 * red - 0.114 * 1.772 * blue) / 0.587, 1.402, 1.772]
      : [(-0.2126 * 1.5748 * red - 0.0722 * 1.8556 * blue) / 0.7152, 1.5748, 1.8556];
  return [luma + redder * red, luma + green, luma + bluer * blue].map(clamp);
}

/** How far the colours of a pixel are from the definition at the most. */
function apart(
  [red = NaN, green = NaN, blue = NaN]: number[] = [],
  [y = 0, u = 0, v = 0]: number[],
  as = CAMERA,
): number {
  const [r = 0, g = 0, b = 0] = defined(as, y, u, v);
  return Math.max(Math.abs(red - r), Math.abs(green - g), Math.abs(blue - b));
}

describe('a picture in I420', () => {
  it.each([
    ['black', [16, 128, 128], [0, 0, 0, 255]],
    ['white', [235, 128, 128], [255, 255, 255, 255]],
    ['grey', [126, 128, 128], [128, 128, 128, 255]],
    ['blacker than black', [0, 128, 128], [0, 0, 0, 255]],
    ['whiter than white', [255, 128, 128], [255, 255, 255, 255]],
  ])('has pixels of %s', (_, [y = 0, u = 0, v = 0], pixel) => {
    expect(colours(Uint8Array.of(y, y, y, y, u, v), 2, 2, 0)).toEqual([pixel, pixel, pixel, pixel]);
  });

  it.each<PlaneColours>([
    CAMERA,
    { matrix: 'bt601', fullRange: true },
    { matrix: 'bt709', fullRange: false },
    { matrix: 'bt709', fullRange: true },
  ])('has the colours of the definition, to one step: $matrix, $fullRange', (as) => {
    let farthest = 0;
    for (let y = 0; y < 256; y += 5) {
      for (let u = 0; u < 256; u += 5) {
        for (let v = 0; v < 256; v += 5) {
          const [pixel] = colours(Uint8Array.of(y, y, y, y, u, v), 2, 2, 0, as);
          farthest = Math.max(farthest, apart(pixel, [y, u, v], as));
        }
      }
    }
    expect(farthest).toBeLessThan(1);
  });

  // Four pixels wide and two high: 0 to 7 in reading order.
  it.each([
    [0, [0, 1, 2, 3, 4, 5, 6, 7]],
    [1, [4, 0, 5, 1, 6, 2, 7, 3]],
    [2, [7, 6, 5, 4, 3, 2, 1, 0]],
    [3, [3, 7, 2, 6, 1, 5, 0, 4]],
  ])('is turned clockwise by %i quarters', (turns, order) => {
    const luma = Array.from({ length: 8 }, (_, at) => 16 + at * 20);
    const pixels = colours(Uint8Array.of(...luma, 128, 128, 128, 128), 4, 2, turns);
    expect(pixels.map(([red = NaN]) => Math.round((red * 219) / 255 / 20))).toEqual(order);
  });

  it('gives each square of four pixels its own colour', () => {
    const squares = [
      [81, 90, 240],
      [81, 54, 34],
    ];
    const planes = Uint8Array.of(...Array<number>(8).fill(81), 90, 54, 240, 34);
    colours(planes, 4, 2, 0).forEach((pixel, at) =>
      expect(apart(pixel, squares[at % 4 < 2 ? 0 : 1] ?? [])).toBeLessThan(1),
    );
  });
});
