import type { Reaction } from '../protocol/bindings';

/** The reactions that there are, in the order of their buttons. */
export const REACTIONS: readonly Reaction[] = ['❤️', '🔥', '👍', '😮'];

/** What a reaction is called, for those who do not see it. */
export const REACTION_WORDS: Record<Reaction, string> = {
  '❤️': 'Love',
  '🔥': 'Fire',
  '👍': 'Thumbs up',
  '😮': 'Surprise',
};

/** Most of them that float at a time; more would cover the picture, and a phone would stutter. */
export const MAX_FLOATING = 24;

/** Most that rise from one message of merged counts: half a second's worth. */
const MAX_AT_ONCE = 6;

/** Whether `text` is a reaction that these pages know. */
export function isReaction(text: string): text is Reaction {
  return (REACTIONS as readonly string[]).includes(text);
}

/**
 * Those of a crowd's reactions that are shown: of each kind in proportion, one at least, and no more than there were.
 *
 * @param room - how many more may float
 */
export function sampled(counts: Readonly<Partial<Record<Reaction, number>>>, room: number): readonly Reaction[] {
  const limit = Math.max(0, Math.min(MAX_AT_ONCE, room));
  const given = REACTIONS.filter((reaction) => (counts[reaction] ?? 0) > 0).slice(0, limit);
  const total = given.reduce((sum, reaction) => sum + (counts[reaction] ?? 0), 0);
  const spare = limit - given.length;
  return given.flatMap((reaction) => {
    const count = counts[reaction] ?? 0;
    const shown = Math.min(count, 1 + Math.floor((spare * count) / total));
    return Array.from({ length: shown }, () => reaction);
  });
}
