import { failureOf, phoneCommands, type PhoneCommands, wordsOf } from './commands';

/**
 * Keeps a phone's system told of being on air: from an app that said nothing, it takes the microphone as soon as another app
 * is in front.
 *
 * One command is under way at a time, and the last wish wins: whoever leaves the stage while the system still asks the person
 * something is off air afterwards.
 */
export class LiveService {
  readonly #commands: PhoneCommands;
  readonly #refused: (words: string) => void;
  #wanted = false;
  #running = false;
  #busy = false;

  /** @param refused - hears in words why the system does not let the service run */
  constructor(refused: (words: string) => void, commands: PhoneCommands = phoneCommands) {
    this.#refused = refused;
    this.#commands = commands;
  }

  /** This person is on air from now on, or is not. */
  follow(onAir: boolean): void {
    this.#wanted = onAir;
    if (!this.#busy) {
      void this.#catchUp();
    }
  }

  async #catchUp(): Promise<void> {
    this.#busy = true;
    while (this.#running !== this.#wanted) {
      // Also where the command fails: asked again, the system would refuse again.
      this.#running = this.#wanted;
      try {
        await (this.#running ? this.#commands.startLiveService() : this.#commands.stopLiveService());
      } catch (error) {
        this.#refused(wordsOf(failureOf(error)));
      }
    }
    this.#busy = false;
  }
}
