/** Where a tile lies, in pixels from the upper left corner of the stage. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Space between tiles, in pixels; less where the stage is small. */
export function gapOf(width: number): number {
  return width < 640 ? 4 : 8;
}

/** Widest tile, as width by height. */
const WIDEST = 16 / 9;

/** Narrowest tile: cameras are cut to it, and a face in the middle stays whole. */
const NARROWEST = 1;

/** Shape of most pictures that are shown large; wider ones leave a margin. */
const COMMON = 4 / 3;

/** From this shape on, the others stand beside a large tile; in a narrower stage they lie beneath it. */
const BESIDE_FROM = 1.2;

/** Share of the stage that the others get beside or beneath a large tile: for a few, and for many. */
const FEW_SHARE = 0.2;
const MANY_SHARE = 0.34;
const MANY_FROM = 7;

function grid(count: number, columns: number, area: Rect, gap: number): Rect[] {
  const rows = Math.ceil(count / columns);
  const cellWidth = (area.width - gap * (columns - 1)) / columns;
  const cellHeight = (area.height - gap * (rows - 1)) / rows;
  const width = Math.max(0, Math.min(cellWidth, cellHeight * WIDEST));
  const height = Math.max(0, Math.min(cellHeight, cellWidth / NARROWEST));
  const top = area.y + (area.height - rows * height - (rows - 1) * gap) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    // The last row may be shorter; it stands in the middle.
    const inRow = Math.min(columns, count - row * columns);
    const left = area.x + (area.width - inRow * width - (inRow - 1) * gap) / 2;
    return { x: left + (index - row * columns) * (width + gap), y: top + row * (height + gap), width, height };
  });
}

function areaOf(rects: readonly Rect[]): number {
  return rects.reduce((sum, rect) => sum + rect.width * rect.height, 0);
}

/** The grid that covers most of `area` with tiles of one size. */
function bestGrid(count: number, area: Rect, gap: number): Rect[] {
  let best: Rect[] = [];
  for (let columns = 1; columns <= count; columns += 1) {
    const candidate = grid(count, columns, area, gap);
    // Somewhat more area is worth a column only if it shows: otherwise tiles jump at every resize.
    if (best.length === 0 || areaOf(candidate) > areaOf(best) * 1.01) {
      best = candidate;
    }
  }
  return best;
}

/**
 * Where the tiles of a stage lie, in their order.
 *
 * @param count - of the tiles
 * @param large - how many of the first are shown large, beside all others; 0 for a grid of equals
 */
export function layout(count: number, large: number, width: number, height: number): readonly Rect[] {
  const whole: Rect = { x: 0, y: 0, width: Math.max(0, width), height: Math.max(0, height) };
  // Somebody alone has the whole stage, of whatever shape.
  if (count === 1) {
    return [whole];
  }
  const gap = gapOf(width);
  const others = count - large;
  if (large <= 0 || others <= 0) {
    return bestGrid(count, whole, gap);
  }
  const share = others >= MANY_FROM ? MANY_SHARE : FEW_SHARE;
  const beside = width / Math.max(1, height) >= BESIDE_FROM;
  // Beneath a large tile, the others also get what a picture of common shape would leave black.
  const spare = beside ? 0 : Math.min(height * MANY_SHARE, height - width / COMMON - gap);
  const strip = Math.round(Math.max((beside ? width : height) * share, spare));
  const main: Rect = beside
    ? { ...whole, width: Math.max(0, width - strip - gap) }
    : { ...whole, height: Math.max(0, height - strip - gap) };
  const rest: Rect = beside
    ? { ...whole, x: main.width + gap, width: strip }
    : { ...whole, y: main.height + gap, height: strip };
  const mains = large === 1 ? [main] : bestGrid(large, main, gap);
  return [...mains, ...bestGrid(others, rest, gap)];
}

/** The transform that makes a tile at `to` look as if it were still at `from`; `none` where nothing would be seen. */
export function inversion(from: Rect, to: Rect): string {
  const still =
    Math.abs(from.x - to.x) < 0.5 &&
    Math.abs(from.y - to.y) < 0.5 &&
    Math.abs(from.width - to.width) < 0.5 &&
    Math.abs(from.height - to.height) < 0.5;
  if (still || from.width === 0 || to.width === 0 || to.height === 0) {
    return 'none';
  }
  const scale = `scale(${from.width / to.width}, ${from.height / to.height})`;
  return `translate(${from.x - to.x}px, ${from.y - to.y}px) ${scale}`;
}
