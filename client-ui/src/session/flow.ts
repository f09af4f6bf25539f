import type { MediaSample } from '../media/sample';
import type { Flow } from './phase';

/** Without anything new for this long, the picture counts as stalled. Longer than the pauses that retransmission fills. */
export const STALL_MS = 3_000;

/** Tells flowing media from media that stands still, by counters that grow or do not. */
export class FlowWatch {
  #progress = 0;
  #grewAt: number | null = null;
  #paused = false;

  /** Somebody else is on air, or nobody: what has come so far does not count. */
  restart(): void {
    this.#grewAt = null;
  }

  /** Nothing is to come for a while. What is observed next is given as much time as if something had come just then. */
  pause(): void {
    this.#paused = true;
  }

  /**
   * @param sample - of the current subscription
   * @param picture - whether frames are expected, or sound alone
   */
  observe(sample: MediaSample, picture: boolean): Flow {
    const progress = picture ? sample.framesDecoded : sample.audioBytes;
    if (progress > this.#progress || (this.#paused && this.#grewAt !== null)) {
      this.#grewAt = sample.atMs;
    }
    this.#paused = false;
    this.#progress = progress;
    if (this.#grewAt === null) {
      return 'none';
    }
    return sample.atMs - this.#grewAt > STALL_MS ? 'stalled' : 'flowing';
  }
}
