import type { ClientMessage } from '../protocol/bindings';
import type { Rect } from './layout';

/** Heights that are told apart, in device pixels: a tile that grows by a little wants nothing else. */
const STEPS = [90, 180, 270, 360, 540, 720, 1080, 1440, 2160];

/** How a picture lies in its tile. */
export interface Fit {
  /** Width by height of the picture; nothing before its first frame. */
  readonly ratio: number | undefined;
  /** Whether all of it is shown, with bars beside it; otherwise it fills the tile, and is cut. */
  readonly whole: boolean;
}

/**
 * The height of picture that a tile has a use for, in device pixels.
 *
 * @param rect - where it lies; `null` while it is not to be seen
 */
export function heightFor(
  rect: Pick<Rect, 'width' | 'height'> | null,
  pixelRatio: number,
  { ratio, whole }: Fit,
): number {
  if (rect === null || rect.height <= 0) {
    return 0;
  }
  const byWidth = ratio === undefined ? rect.height : rect.width / ratio;
  const height = (whole ? Math.min(rect.height, byWidth) : Math.max(rect.height, byWidth)) * pixelRatio;
  return STEPS.find((step) => step >= height) ?? Math.ceil(height);
}

/** Whether a picture can be seen again, of which the server was told `before` that nobody sees it. Both are heights by slot. */
export function comesIntoSight(heights: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>): boolean {
  return [...heights].some(([mid, height]) => height > 0 && before.get(mid) === 0);
}

/** What the server was told of the slots of one subscription. */
export class Wishes {
  readonly #told = new Map<string, string>();

  /**
   * The messages by which the server learns what it does not know yet.
   *
   * @param heights - by slot, as from {@link heightFor}
   * @param first - the slot that goes before the others
   */
  news(heights: ReadonlyMap<string, number>, first: string | null): ClientMessage[] {
    const messages: ClientMessage[] = [];
    for (const [mid, height] of heights) {
      const priority = mid === first ? 1 : 0;
      const wish = `${height} ${priority}`;
      if (this.#told.get(mid) !== wish) {
        this.#told.set(mid, wish);
        messages.push({ action: 'slot', mid, height, priority });
      }
    }
    for (const mid of this.#told.keys()) {
      if (!heights.has(mid)) {
        this.#told.delete(mid);
      }
    }
    return messages;
  }
}
