import type { CaptureScreen } from './media-commands';

/** The question which screen or window is to be shared; browsers ask it themselves. */
class ScreenChoice {
  /** What there is to choose from, while the person is asked. */
  offered = $state.raw<readonly CaptureScreen[] | null>(null);
  #answer: (screen: CaptureScreen | null) => void = () => undefined;

  /** Asks. A question that is still open is answered with none. */
  readonly ask = (screens: readonly CaptureScreen[]): Promise<CaptureScreen | null> => {
    this.#answer(null);
    this.offered = screens;
    return new Promise((resolve) => (this.#answer = resolve));
  };

  /** The person's answer; `null` for none. */
  choose(screen: CaptureScreen | null): void {
    this.offered = null;
    this.#answer(screen);
    this.#answer = () => undefined;
  }
}

export const screenChoice = new ScreenChoice();
