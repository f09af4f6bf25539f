import { NOBODY, type SpeakingOrder, leading, reorder } from '../stage/speaking-order';

/** How often it is looked whether somebody who goes on speaking is to come forward. */
const LOOK_EVERY_MS = 500;

/** In which order people stand on the stage. */
export class StageOrder {
  #order: SpeakingOrder = NOBODY;
  #present: readonly string[] = [];
  #speaking: readonly string[] = [];
  /** Keys of tiles. */
  keys = $state.raw<readonly string[]>([]);
  /** Key of the tile of whoever has the word; `null` before anybody had it. */
  leader = $state<string | null>(null);

  /** Follows who is there and who speaks. */
  observe(present: readonly string[], speaking: readonly string[]): void {
    this.#present = present;
    this.#speaking = speaking;
    this.#look();
  }

  /** Looks again and again until told not to, while somebody speaks. */
  start(): () => void {
    const looking = setInterval(() => {
      if (this.#speaking.length > 0) {
        this.#look();
      }
    }, LOOK_EVERY_MS);
    return () => clearInterval(looking);
  }

  #look(): void {
    const now = performance.now();
    this.#order = reorder(this.#order, this.#present, this.#speaking, now);
    this.leader = leading(this.#order, this.#speaking, this.leader, now);
    const keys = this.#order.keys;
    if (keys.length !== this.keys.length || keys.some((key, index) => key !== this.keys[index])) {
      this.keys = keys;
    }
  }
}
