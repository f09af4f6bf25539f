import type { Reaction, ServerMessage } from '../protocol/bindings';
import type { RoomLink } from '../session/link';
import { MAX_FLOATING, isReaction, sampled } from '../session/reactions';

/** How long one floats, in milliseconds. */
export const FLOAT_MS = 2_400;

/** Sparks of one message rise one after the other over half of the time that it stands for. */
const SPREAD_MS = 250;

/** One reaction on its way up. */
export interface Floating {
  readonly id: number;
  readonly reaction: Reaction;
  /** Where it rises, 0 to 1 of the width. */
  readonly across: number;
  /** In milliseconds. */
  readonly delay: number;
}

/** The reactions over the picture. */
export class FloatingReactions {
  floating = $state.raw<readonly Floating[]>([]);
  /** How many of each there were lately, for those who want nothing to move. */
  counts = $state.raw<Readonly<Partial<Record<Reaction, number>>>>({});
  readonly #link: RoomLink;
  readonly #you: () => string | null;
  #next = 0;
  #forgetting: ReturnType<typeof setTimeout> | undefined;

  /** @param you - your id in the session: what you sent is shown at once, and not again when it comes back */
  constructor(link: RoomLink, you: () => string | null) {
    this.#link = link;
    this.#you = you;
  }

  /** Follows the session. Returns what ends it. */
  start(): () => void {
    const stop = this.#link.listen((message) => this.#hear(message));
    return () => {
      stop();
      clearTimeout(this.#forgetting);
    };
  }

  /** Reacts. */
  send(reaction: Reaction): void {
    if (this.#link.send({ action: 'reaction', reaction })) {
      this.#rise({ [reaction]: 1 });
    }
  }

  /** One has reached its end. */
  gone(id: number): void {
    this.floating = this.floating.filter((one) => one.id !== id);
  }

  #hear(message: ServerMessage): void {
    if (message.type === 'reactions') {
      this.#rise(message.counts);
    } else if (message.type === 'reaction' && message.user_id !== this.#you() && isReaction(message.reaction)) {
      this.#rise({ [message.reaction]: 1 });
    }
  }

  #rise(counts: Readonly<Partial<Record<Reaction, number>>>): void {
    const shown = document.hidden ? [] : sampled(counts, MAX_FLOATING - this.floating.length);
    const risen = shown.map((reaction) => {
      this.#next += 1;
      const delay = shown.length === 1 ? 0 : Math.random() * SPREAD_MS;
      return { id: this.#next, reaction, across: Math.random(), delay };
    });
    this.floating = [...this.floating, ...risen];
    const sum = { ...this.counts };
    for (const [reaction, count] of Object.entries(counts)) {
      if (isReaction(reaction)) {
        sum[reaction] = (sum[reaction] ?? 0) + count;
      }
    }
    this.counts = sum;
    clearTimeout(this.#forgetting);
    this.#forgetting = setTimeout(() => (this.counts = {}), FLOAT_MS * 2);
  }
}
