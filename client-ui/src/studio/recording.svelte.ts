import type { Recorded, Recorder } from './engine';

/** How often the recording is looked after: a full disk is to be known soon. */
const LOOK_EVERY_MS = 1_000;

/** A recording on this computer of what is sent. */
export class RecordingState {
  /** Whether there is anything to record with. */
  readonly possible: boolean;
  running = $state(false);
  /** Between a click and what becomes of it. */
  busy = $state(false);
  seconds = $state(0);
  /** Something to be said about it: where it is, or why there is none. */
  news = $state('');
  readonly #recorder: Recorder | null;
  /** One thing after another. */
  #last: Promise<void> = Promise.resolve();
  #looking: ReturnType<typeof setInterval> | undefined;

  constructor(recorder: Recorder | null) {
    this.#recorder = recorder;
    this.possible = recorder !== null;
  }

  /** Begins a recording named after `title`, or ends the one that runs. */
  async toggle(title: string): Promise<void> {
    if (!this.busy) {
      await (this.running ? this.stop() : this.#start(title));
    }
  }

  /** Ends the one that runs or is about to, if one is. Settles when it is written. */
  stop(): Promise<void> {
    return this.#inTurn(async (recorder) => {
      if (this.running) {
        this.#ended(await recorder.stop());
      }
    });
  }

  #start(title: string): Promise<void> {
    return this.#inTurn(async (recorder) => {
      const folder = await recorder.start(title);
      this.running = true;
      this.seconds = 0;
      this.news = `Recording to ${folder}`;
      this.#looking = setInterval(() => void this.#look(), LOOK_EVERY_MS);
    });
  }

  #inTurn(work: (recorder: Recorder) => Promise<void>): Promise<void> {
    const recorder = this.#recorder;
    if (recorder !== null) {
      this.#last = this.#last.then(() => this.#do(() => work(recorder)));
    }
    return this.#last;
  }

  async #do(work: () => Promise<void>): Promise<void> {
    this.busy = true;
    try {
      await work();
    } catch (error) {
      this.#over();
      this.news = `Not recorded: ${error instanceof Error ? error.message : String(error)}`;
    } finally {
      this.busy = false;
    }
  }

  async #look(): Promise<void> {
    const now = await this.#recorder?.state().catch(() => null);
    if (!this.running || this.busy) {
      return;
    }
    if (now === null || now === undefined || now.problem !== undefined) {
      await this.stop();
    } else {
      this.seconds = now.seconds;
    }
  }

  #ended(recorded: Recorded | null): void {
    this.#over();
    this.news = wordsOf(recorded);
  }

  #over(): void {
    clearInterval(this.#looking);
    this.running = false;
  }
}

function wordsOf(recorded: Recorded | null): string {
  const files = recorded?.files ?? [];
  const parts = [
    files.length === 0 ? 'Nothing was recorded.' : `Recorded to ${files.join(' and ')}`,
    recorded?.problem === undefined ? '' : `The recording broke off: ${recorded.problem}`,
    (recorded?.lost ?? 0) === 0 ? '' : 'The disk was too slow for all of it: some of the picture or sound is missing.',
  ];
  return parts.filter((part) => part !== '').join(' · ');
}
