import type { Role } from '../protocol/bindings';
import { type Person, type Room, type Slot, pictureOff } from '../session/room';

/** The tile of this person's own camera, which does not come from the server. */
export const SELF = 'self';

/** A tile of the stage. */
export interface StageTile {
  /** Stays the same while the tile does. */
  readonly key: string;
  readonly userId: string;
  readonly kind: 'self' | 'person' | 'screen';
  /** The slot with its picture; `null` where there is none to show. */
  readonly mid: string | null;
  readonly name: string;
  readonly person: Person | null;
}

const RANK: Record<Role, number> = { host: 0, cohost: 1, guest: 2, viewer: 3 };

/** How roles are listed: who leads comes first. */
export function byRole(a: Pick<Person, 'role'>, b: Pick<Person, 'role'>): number {
  return RANK[a.role] - RANK[b.role];
}

function pictureSlot(slots: readonly (readonly [string, Slot])[], userId: string, source: Slot['source']) {
  return slots.find(([, slot]) => slot.userId === userId && slot.kind === 'video' && slot.source === source)?.[0];
}

/**
 * Everything that is to be seen on the stage: yourself, shared screens, then people by their role. Whoever is on air has
 * a tile, with or without a picture.
 *
 * @param self - whether your own tile is shown
 * @param sharing - in a mesh, where there are no slots: who shares a screen
 */
export function tilesOf(room: Room, self: boolean, sharing: readonly string[] = []): readonly StageTile[] {
  const slots = Object.entries(room.slots);
  const you = room.you?.user_id ?? null;
  const onAir = Object.values(room.participants).filter((person) => person.on_air);
  const ids = new Set([...onAir.sort(byRole).map((person) => person.user_id), ...slots.map(([, slot]) => slot.userId)]);
  ids.delete(you ?? '');
  const screens: StageTile[] = [];
  const people: StageTile[] = [];
  for (const userId of ids) {
    const person = room.participants[userId] ?? null;
    const name = person?.username ?? room.hostName;
    const screen = pictureSlot(slots, userId, 'screen');
    if (screen !== undefined || sharing.includes(userId)) {
      screens.push({ key: `screen:${userId}`, userId, kind: 'screen', mid: screen ?? null, name, person });
    }
    const camera = pictureOff(person ?? undefined) ? undefined : pictureSlot(slots, userId, 'camera');
    people.push({ key: `person:${userId}`, userId, kind: 'person', mid: camera ?? null, name, person });
  }
  const own: StageTile[] = self
    ? [{ key: SELF, userId: you ?? '', kind: 'self', mid: null, name: room.you?.username ?? '', person: room.you }]
    : [];
  return [...own, ...screens, ...people];
}

/**
 * The tile whose picture stands for all where there is room for one: what was made large, or else whoever has the word. Your
 * own is never it.
 *
 * @param tiles - those that have a picture to show, in their order
 * @param expanded - key of the one that was made large
 * @param leader - key of whoever has the word
 */
export function mainTile(
  tiles: readonly StageTile[],
  expanded: string | null,
  leader: string | null,
): StageTile | undefined {
  const others = tiles.filter((tile) => tile.kind !== 'self');
  return (
    others.find((tile) => tile.key === expanded) ??
    others.find((tile) => tile.key === leader) ??
    others.find((tile) => tile.kind === 'screen') ??
    others[0]
  );
}

/** The letters that stand for somebody without a picture: of the first and the last word, whole characters. */
export function initials(name: string): string {
  const words = name
    .trim()
    .split(/\s+/u)
    .filter((word) => word !== '');
  const first = words[0] ?? '';
  const last = words.length > 1 ? (words.at(-1) ?? '') : '';
  return [first, last].map((word) => firstCharacter(word).toLocaleUpperCase()).join('');
}

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

function firstCharacter(word: string): string {
  return [...GRAPHEMES.segment(word)][0]?.segment ?? '';
}
