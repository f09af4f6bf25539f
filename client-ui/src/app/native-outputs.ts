import { type OutputEvents, type Outputs, SYSTEMS_OWN } from '../media/outputs';
import type { NamedDevice } from '../studio/devices';
import { type MediaCommands, mediaCommands } from './media-commands';

/** How often loudspeakers are looked for, while somebody wants to know of those that come and go. */
const LOOK_EVERY_MS = 3_000;

/** The loudspeakers that the app plays on. */
export class NativeOutputs implements Outputs {
  readonly #commands: MediaCommands;
  readonly #followers = new Set<OutputEvents>();
  #known = '';
  #looking: ReturnType<typeof setInterval> | undefined;
  #asking = false;
  /** Whether the app tells of a loudspeaker that is lost while it plays. */
  #told = false;

  constructor(commands: MediaCommands = mediaCommands) {
    this.#commands = commands;
  }

  async list(): Promise<readonly NamedDevice[]> {
    const found = await this.#commands.loudspeakers();
    this.#known = JSON.stringify(found);
    return found;
  }

  async use(id: string): Promise<void> {
    await this.#commands.chooseLoudspeaker(id === SYSTEMS_OWN ? null : id);
  }

  follow(events: OutputEvents): () => void {
    this.#followers.add(events);
    this.#looking ??= setInterval(() => void this.#look(), LOOK_EVERY_MS);
    if (!this.#told) {
      this.#told = true;
      this.#commands.followLoudspeaker(({ device }) => this.#tell((one) => one.lost(device))).catch(() => undefined);
    }
    return () => {
      this.#followers.delete(events);
      if (this.#followers.size === 0) {
        clearInterval(this.#looking);
        this.#looking = undefined;
      }
    };
  }

  async #look(): Promise<void> {
    if (this.#asking) {
      return;
    }
    this.#asking = true;
    try {
      const found = JSON.stringify(await this.#commands.loudspeakers());
      if (found !== this.#known) {
        this.#known = found;
        this.#tell((one) => one.changed());
      }
    } catch {
      // It is asked again soon.
    } finally {
      this.#asking = false;
    }
  }

  #tell(news: (one: OutputEvents) => void): void {
    this.#followers.forEach(news);
  }
}
