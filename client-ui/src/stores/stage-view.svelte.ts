import { SvelteMap } from 'svelte/reactivity';
import { type Room, pictureOff } from '../session/room';
import { arrange } from '../stage/arrangement';
import { type Rect, layout } from '../stage/layout';
import { type StageTile, mainTile, tilesOf } from '../stage/tiles';
import { StageOrder } from './stage-order.svelte';

/** What comes straight from others in a mesh, by their id. */
export interface Peers {
  readonly streams: ReadonlyMap<string, MediaStream>;
  readonly screens: ReadonlyMap<string, MediaStream>;
}

/** All that the places of the tiles follow from, beside the stage's own size. */
export interface StageFacts {
  readonly room: Room;
  /** Whether your own tile is shown. */
  readonly self: boolean;
  readonly peers: Peers;
  /** Whether the words about the stream stand elsewhere. */
  readonly bare: boolean;
}

/** What the header and the controls take where they stand above and below the tiles instead of over the picture. */
const HEADER_PX = 52;
const CONTROLS_PX = 56;

/** Who is seen on the stage, and where. */
export class StageView {
  width = $state(0);
  height = $state(0);
  /** Key of the tile that was made large. */
  expanded = $state<string | null>(null);
  readonly order = new StageOrder();
  /** Width by height of the pictures, by their slot. */
  readonly sizes = new SvelteMap<string, number>();
  readonly #facts: () => StageFacts;
  readonly tiles = $derived.by(() => {
    const { room, self, peers } = this.#facts();
    return tilesOf(room, self, [...peers.screens.keys()]);
  });
  readonly many = $derived.by(() => this.tiles.length > 1);
  /** Whether header and controls stand above and below the tiles. */
  readonly framed = $derived.by(() => this.many && !this.#facts().bare);
  readonly #arrangement = $derived.by(() => arrange(this.tiles, this.expanded, this.order.keys));
  readonly ordered = $derived.by(() => this.#arrangement.ordered);
  /** Names the size of the stage. */
  readonly size = $derived.by(() => `${this.width} ${this.height}`);
  readonly whole = $derived.by<Rect>(() => ({ x: 0, y: 0, width: this.width, height: this.height }));
  /** Of the tiles, in their order. */
  readonly #rects = $derived.by(() => {
    const top = this.framed ? HEADER_PX : 0;
    const bottom = this.framed ? CONTROLS_PX : 0;
    const { ordered, large } = this.#arrangement;
    const places = layout(ordered.length, large, this.width, Math.max(0, this.height - top - bottom));
    return places.map((place) => ({ ...place, y: place.y + top }));
  });
  /** The tile whose picture stands for all where there is room for one. */
  readonly main = $derived.by(() =>
    mainTile(
      this.ordered.filter((tile) => tile.mid !== null || this.streamOf(tile) !== undefined),
      this.expanded,
      this.order.leader,
    ),
  );

  /** Width by height of the picture that has the stage to itself, where there is one. */
  get loneSize(): number | undefined {
    return this.many ? undefined : this.sizes.get(this.tiles[0]?.mid ?? '');
  }

  constructor(facts: () => StageFacts) {
    this.#facts = facts;
  }

  rectOf(tile: StageTile): Rect {
    return this.#rects[this.ordered.findIndex(({ key }) => key === tile.key)] ?? this.whole;
  }

  /** Whose picture a slot carries. */
  tileOf(mid: string | undefined): StageTile | undefined {
    return mid === undefined ? undefined : this.ordered.find((tile) => tile.mid === mid);
  }

  /** In a mesh: what the person of a tile sends straight to this page. */
  streamOf(tile: StageTile): MediaStream | undefined {
    const { peers } = this.#facts();
    switch (tile.kind) {
      case 'person':
        return peers.streams.get(tile.userId);
      case 'screen':
        return peers.screens.get(tile.userId);
      case 'self':
        return undefined;
    }
  }

  /** A face may be cut at the edges; a screen, and whoever was made large, may not. */
  isWhole(tile: StageTile | undefined): boolean {
    return !this.many || tile === undefined || tile.kind === 'screen' || tile.key === this.expanded;
  }

  /** Makes a tile large, or all alike again. */
  toggle(tile: StageTile): void {
    this.expanded = this.expanded === tile.key ? null : tile.key;
  }

  /** Alone, whoever has no picture yet is hidden behind the words of the state, and whoever has none at all is not. */
  hasPlaceholder(tile: StageTile): boolean {
    const slots = Object.values(this.#facts().room.slots);
    const soundAlone = tile.mid === null && slots.some((slot) => slot.userId === tile.userId);
    return tile.kind === 'person' && (this.many || soundAlone || pictureOff(tile.person ?? undefined));
  }
}
