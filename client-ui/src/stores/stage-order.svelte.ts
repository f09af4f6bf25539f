import { NOBODY, type SpeakingOrder, reorder } from '../stage/speaking-order';

/** How often it is looked whether somebody who goes on speaking is to come forward. */
const LOOK_EVERY_MS = 500;

/** In which order people stand on the stage. */
export class StageOrder {
  #order: SpeakingOrder = NOBODY;
  #present: readonly string[] = [];
  #speaking: readonly string[] = [];
  /** Keys of tiles. */
  keys = $state.raw<readonly string[]>([]);

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
    this.#order = reorder(this.#order, this.#present, this.#speaking, performance.now());
    const keys = this.#order.keys;
    if (keys.length !== this.keys.length || keys.some((key, index) => key !== this.keys[index])) {
      this.keys = keys;
    }
  }
}
