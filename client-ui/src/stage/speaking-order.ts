/** Somebody comes forward only after speaking for so long: a cough or a "yes" moves nothing. */
export const SPEAKS_FOR_MS = 1_500;

/** A pause within a sentence; shorter ones do not count as the end of it. */
export const PAUSE_MS = 1_000;

/** After somebody came forward, everybody stays where they are for so long. */
export const RESTS_MS = 5_000;

/** Most places in front. */
const MAX_FRONT = 3;

interface Speech {
  readonly since: number;
  readonly heardAt: number;
}

/** Who stands where, and what has to be known to change that. */
export interface SpeakingOrder {
  /** Keys of the people's tiles, in their order. */
  readonly keys: readonly string[];
  /** Who is speaking, or was. */
  readonly speech: Readonly<Record<string, Speech>>;
  /** When somebody came forward last, in milliseconds. */
  readonly movedAt: number;
}

/** Nobody there. */
export const NOBODY: SpeakingOrder = { keys: [], speech: {}, movedAt: Number.NEGATIVE_INFINITY };

/** How many places are in front, where the eye goes first. */
export function frontPlaces(count: number): number {
  return Math.min(MAX_FRONT, Math.ceil(count / 3));
}

/**
 * The order after a look at the stage. Who goes on speaking comes to the front and changes places with whoever was heard
 * there least recently, so that no more than two tiles move, and not again for a while. Nobody is moved back while they
 * speak themselves: with more voices than places in front, all stay where they are.
 *
 * @param present - keys of the tiles that are there; newcomers stand at the end, in this order
 * @param speaking - keys of those who are heard now, loudest first
 * @param now - in milliseconds, on any clock that does not jump
 */
export function reorder(
  order: SpeakingOrder,
  present: readonly string[],
  speaking: readonly string[],
  now: number,
): SpeakingOrder {
  const kept = order.keys.filter((key) => present.includes(key));
  const keys = [...kept, ...present.filter((key) => !kept.includes(key))];
  const speech: Record<string, Speech> = {};
  for (const key of keys) {
    const before = order.speech[key];
    if (speaking.includes(key)) {
      const goesOn = before !== undefined && now - before.heardAt <= PAUSE_MS;
      speech[key] = { since: goesOn ? before.since : now, heardAt: now };
    } else if (before !== undefined) {
      speech[key] = before;
    }
  }
  const front = frontPlaces(keys.length);
  const comes = speaking.find((key) => {
    const since = speech[key]?.since;
    return since !== undefined && now - since >= SPEAKS_FOR_MS && keys.indexOf(key) >= front;
  });
  const heardAt = (key: string) => speech[key]?.heardAt ?? Number.NEGATIVE_INFINITY;
  const goes = keys
    .slice(0, front)
    .filter((key) => now - heardAt(key) > PAUSE_MS)
    .reduce<string | undefined>((quietest, key) => {
      return quietest === undefined || heardAt(key) < heardAt(quietest) ? key : quietest;
    }, undefined);
  if (comes === undefined || goes === undefined || now - order.movedAt < RESTS_MS) {
    return { keys, speech, movedAt: order.movedAt };
  }
  const swapped = keys.map((key) => (key === comes ? goes : key === goes ? comes : key));
  return { keys: swapped, speech, movedAt: now };
}

/**
 * Who has the word: the loudest of those who go on speaking. Whoever has it keeps it through pauses and interjections.
 *
 * @param order - after {@link reorder} for the same `speaking` and `now`
 * @param before - who had it until now
 */
export function leading(
  order: SpeakingOrder,
  speaking: readonly string[],
  before: string | null,
  now: number,
): string | null {
  const goesOn = (key: string) => now - (order.speech[key]?.since ?? now) >= SPEAKS_FOR_MS;
  if (before !== null && speaking.includes(before)) {
    return before;
  }
  const present = before !== null && order.keys.includes(before) ? before : null;
  return speaking.find(goesOn) ?? present;
}
