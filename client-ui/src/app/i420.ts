/** Fractions of a colour value that sums are made in. */
const STEPS = 4;
/** Where zero lies among the sums: above the least of them, of blue at −276. */
const ZERO = 280 * STEPS;
/** More than the largest sum, of blue at 534. */
const SUMS = ZERO + 540 * STEPS;

/** What each value of a plane adds to a colour, and what a sum is as a colour: 8 bits, opaque. */
const table = (length: number, value: (at: number) => number): Int32Array =>
  Int32Array.from({ length }, (_, at) => value(at));
const added = (factor: number, zero: number): Int32Array =>
  table(256, (value) => Math.round(factor * (value - zero) * STEPS));

// BT.601 with limited range, as cameras and H.264 in this app have it (ITU-R BT.601-7 §2.5).
const LUMA = added(255 / 219, 16).map((sum) => sum + ZERO);
const V_IN_RED = added((1.402 * 255) / 224, 128);
const U_IN_GREEN = added((-0.344136 * 255) / 224, 128);
const V_IN_GREEN = added((-0.714136 * 255) / 224, 128);
const U_IN_BLUE = added((1.772 * 255) / 224, 128);
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
  pixels: Uint32Array,
): void {
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
      const red = V_IN_RED[inV] ?? 0;
      const green = (U_IN_GREEN[inU] ?? 0) + (V_IN_GREEN[inV] ?? 0);
      const blue = U_IN_BLUE[inU] ?? 0;
      // Four pixels have the same two values of colour. Written out: a loop of two takes twice as long.
      let luma = LUMA[planes[upper++] ?? 0] ?? 0;
      pixels[above] = pixel(luma + red, luma + green, luma + blue);
      above += right;
      luma = LUMA[planes[upper++] ?? 0] ?? 0;
      pixels[above] = pixel(luma + red, luma + green, luma + blue);
      above += right;
      luma = LUMA[planes[lower++] ?? 0] ?? 0;
      pixels[below] = pixel(luma + red, luma + green, luma + blue);
      below += right;
      luma = LUMA[planes[lower++] ?? 0] ?? 0;
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
