import type { PlaneColours } from './picture-message';

/** Fractions of a colour value that sums are made in. */
const STEPS = 4;
/** Where zero lies among the sums: above the least of them, of blue at −290. */
const ZERO = 295 * STEPS;
/** More than the largest sum, of blue at 547. */
const SUMS = ZERO + 555 * STEPS;

/** What each value of a plane adds to a colour, and what a sum is as a colour: 8 bits, opaque. */
const table = (length: number, value: (at: number) => number): Int32Array =>
  Int32Array.from({ length }, (_, at) => value(at));
const added = (factor: number, zero: number): Int32Array =>
  table(256, (value) => Math.round(factor * (value - zero) * STEPS));

/** How much of brightness is red, and how much is blue (ITU-R BT.601-7 §2.5.1, BT.709-6 item 3.2). */
const OF_LUMA: Readonly<Record<PlaneColours['matrix'], readonly [number, number]>> = {
  bt601: [0.299, 0.114],
  bt709: [0.2126, 0.0722],
};

/** What the planes add to each colour. */
interface Tables {
  readonly luma: Int32Array;
  readonly vInRed: Int32Array;
  readonly uInGreen: Int32Array;
  readonly vInGreen: Int32Array;
  readonly uInBlue: Int32Array;
}

function tables({ matrix, fullRange }: PlaneColours): Tables {
  const [red, blue] = OF_LUMA[matrix];
  const green = 1 - red - blue;
  const [luma, black, chroma] = fullRange ? [1, 0, 1] : [255 / 219, 16, 255 / 224];
  const [inRed, inBlue] = [2 * (1 - red), 2 * (1 - blue)];
  return {
    luma: added(luma, black).map((sum) => sum + ZERO),
    vInRed: added(chroma * inRed, 128),
    uInGreen: added((-chroma * inBlue * blue) / green, 128),
    vInGreen: added((-chroma * inRed * red) / green, 128),
    uInBlue: added(chroma * inBlue, 128),
  };
}

const made = new Map<string, Tables>();

/** The same for all pictures of the same colours. */
function tablesOf(colours: PlaneColours): Tables {
  const name = `${colours.matrix} ${colours.fullRange}`;
  const known = made.get(name) ?? tables(colours);
  made.set(name, known);
  return known;
}

const COLOURS = table(SUMS, (sum) => Math.min(255, Math.max(0, Math.round((sum - ZERO) / STEPS))));

const OPAQUE = 0xff000000;

/**
 * Writes the colours of a picture in I420, turned clockwise by so many quarters, into `pixels`: R, G, B and A in bytes, rows from
 * the top, as `ImageData` has them on machines with the least byte first, which all are that WebKitGTK runs on.
 *
 * @param planes - luma, and two of a quarter of that, one behind the other
 * @param width - of the picture as it lies in `planes`, in pixels; even, as is `height`
 */
export function writeColours(
  planes: Uint8Array,
  width: number,
  height: number,
  turns: number,
  colours: PlaneColours,
  pixels: Uint32Array,
): void {
  const { luma: lumas, vInRed, uInGreen, vInGreen, uInBlue } = tablesOf(colours);
  const { start, right, down } = walk(width, height, turns);
  let u = width * height;
  let v = u + u / 4;
  for (let y = 0; y < height; y += 2) {
    let upper = y * width;
    let lower = upper + width;
    let above = start + y * down;
    let below = above + down;
    for (let x = 0; x < width; x += 2, u += 1, v += 1) {
      const inU = planes[u] ?? 0;
      const inV = planes[v] ?? 0;
      const red = vInRed[inV] ?? 0;
      const green = (uInGreen[inU] ?? 0) + (vInGreen[inV] ?? 0);
      const blue = uInBlue[inU] ?? 0;
      // Four pixels have the same two values of colour. Written out: a loop of two takes twice as long.
      let luma = lumas[planes[upper++] ?? 0] ?? 0;
      pixels[above] = pixel(luma + red, luma + green, luma + blue);
      above += right;
      luma = lumas[planes[upper++] ?? 0] ?? 0;
      pixels[above] = pixel(luma + red, luma + green, luma + blue);
      above += right;
      luma = lumas[planes[lower++] ?? 0] ?? 0;
      pixels[below] = pixel(luma + red, luma + green, luma + blue);
      below += right;
      luma = lumas[planes[lower++] ?? 0] ?? 0;
      pixels[below] = pixel(luma + red, luma + green, luma + blue);
      below += right;
    }
  }
}

function pixel(red: number, green: number, blue: number): number {
  return OPAQUE | ((COLOURS[blue] ?? 0) << 16) | ((COLOURS[green] ?? 0) << 8) | (COLOURS[red] ?? 0);
}

/** Where the first pixel of a picture lies in one that is turned, and how far from each the next to its right and below it do. */
function walk(width: number, height: number, turns: number): { start: number; right: number; down: number } {
  switch (turns % 4) {
    case 1:
      return { start: height - 1, right: height, down: -1 };
    case 2:
      return { start: width * height - 1, right: -1, down: -width };
    case 3:
      return { start: (width - 1) * height, right: -height, down: 1 };
    default:
      return { start: 0, right: 1, down: width };
  }
}
