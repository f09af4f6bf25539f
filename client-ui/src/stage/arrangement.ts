import type { StageTile } from './tiles';

/** In which order tiles are laid out, and how many of the first are large. */
export interface Arrangement {
  readonly ordered: readonly StageTile[];
  readonly large: number;
}

/**
 * Arranges tiles: what is large, you, and then the others as they came forward. Large is what was chosen to be, or else every
 * shared screen; all of them alike is none.
 *
 * @param expanded - key of the tile that was chosen
 * @param forward - keys of people's tiles, whoever came forward first
 */
export function arrange(tiles: readonly StageTile[], expanded: string | null, forward: readonly string[]): Arrangement {
  const place = new Map(forward.map((key, index) => [key, index]));
  const by = (tile: StageTile) => place.get(tile.key) ?? tiles.length;
  const chosen = tiles.filter((tile) => tile.key === expanded);
  const large = chosen.length > 0 ? chosen : tiles.filter((tile) => tile.kind === 'screen');
  const rest = tiles.filter((tile) => !large.includes(tile));
  const own = rest.filter((tile) => tile.kind === 'self');
  const others = rest.filter((tile) => tile.kind !== 'self').sort((a, b) => by(a) - by(b));
  const ordered = [...large, ...own, ...others];
  return { ordered, large: large.length === ordered.length ? 0 : large.length };
}
