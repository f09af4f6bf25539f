import type { WhepResource } from '../api/whep';
import type { MediaEngine, Subscription } from '../media/engine';
import { VIEWER_BACKOFF, backoff } from './backoff';
import { FlowWatch } from './flow';

/** What a tile shows besides the picture. `idle`: out of view. */
export type TilePhase = 'idle' | 'connecting' | 'live' | 'waiting' | 'reconnecting';

const SAMPLE_EVERY_MS = 1_000;

/** From the offer to the first frame; longer means that the connection is no good, or nobody is on air. */
const PICTURE_WITHIN_MS = 12_000;

/** What the connection needs from outside. */
export interface TileSurroundings {
  readonly engine: MediaEngine;
  postOffer(offerSdp: string, signal: AbortSignal): Promise<WhepResource>;
  deleteResource(resource: WhepResource): void;
  random(): number;
}

/** What the connection reports. */
export interface TileEvents {
  phase(phase: TilePhase): void;
  /** The subscription that is to be shown; `null` before the one that was shown is closed. */
  subscription(subscription: Subscription | null): void;
}

/** One tile of the grid: a WHEP preview, silent, for as long as the tile is in view. */
export class TileConnection {
  readonly #outside: TileSurroundings;
  readonly #events: TileEvents;
  #attempt: Attempt | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #wasLive = false;
  #phase: TilePhase = 'idle';

  constructor(outside: TileSurroundings, events: TileEvents) {
    this.#outside = outside;
    this.#events = events;
  }

  /** The tile came into view. */
  open(): void {
    if (this.#phase === 'idle' && this.#outside.engine.works) {
      this.#failures = 0;
      this.#begin();
    }
  }

  /** The tile left the view, or the page. */
  close(): void {
    clearTimeout(this.#retry);
    this.#wasLive = false;
    this.#give();
    this.#show('idle');
  }

  /** What the offer asked for is not what is needed any more. */
  renew(): void {
    if (this.#attempt !== null) {
      this.#give();
      this.#begin();
    }
  }

  /** The element has presented a frame. */
  framePresented(): void {
    if (this.#attempt !== null) {
      this.#failures = 0;
      this.#wasLive = true;
      this.#show('live');
    }
  }

  #begin(): void {
    this.#show(this.#wasLive ? 'reconnecting' : 'connecting');
    const attempt = new Attempt(this.#outside, {
      flowing: () => this.framePresented(),
      stalled: () => this.#show('waiting'),
      failed: () => this.#failed(attempt),
    });
    this.#attempt = attempt;
    this.#events.subscription(attempt.subscription);
  }

  #failed(attempt: Attempt): void {
    if (this.#attempt !== attempt) {
      return;
    }
    this.#give();
    this.#show(this.#wasLive ? 'reconnecting' : 'connecting');
    const wait = backoff(this.#failures, VIEWER_BACKOFF, this.#outside.random);
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#begin(), wait);
  }

  #give(): void {
    if (this.#attempt !== null) {
      this.#events.subscription(null);
      this.#attempt.close();
      this.#attempt = null;
    }
  }

  #show(phase: TilePhase): void {
    if (this.#phase !== phase) {
      this.#phase = phase;
      this.#events.phase(phase);
    }
  }
}

interface AttemptEvents {
  flowing(): void;
  stalled(): void;
  failed(): void;
}

/** One WHEP resource with its subscription, from the offer to its end. */
class Attempt {
  readonly subscription: Subscription;
  readonly #outside: TileSurroundings;
  readonly #events: AttemptEvents;
  readonly #abort = new AbortController();
  readonly #flow = new FlowWatch();
  readonly #deadline: ReturnType<typeof setTimeout>;
  readonly #sampling: ReturnType<typeof setInterval>;
  #resource: WhepResource | null = null;

  constructor(outside: TileSurroundings, events: AttemptEvents) {
    this.#outside = outside;
    this.#events = events;
    this.subscription = outside.engine.subscribe(
      { audio: 0, video: 1 },
      { transport: (state) => state === 'failed' && this.#fail() },
    );
    this.#deadline = setTimeout(() => this.#fail(), PICTURE_WITHIN_MS);
    this.#sampling = setInterval(() => void this.#sample(), SAMPLE_EVERY_MS);
    this.#negotiate().catch(() => this.#fail());
  }

  close(): void {
    this.#abort.abort();
    clearTimeout(this.#deadline);
    clearInterval(this.#sampling);
    this.subscription.close();
    this.#free();
  }

  async #negotiate(): Promise<void> {
    const offer = await this.subscription.offer;
    this.#resource = await this.#outside.postOffer(offer, this.#abort.signal);
    if (this.#abort.signal.aborted) {
      this.#free();
      return;
    }
    await this.subscription.accept(this.#resource.answerSdp);
  }

  async #sample(): Promise<void> {
    const sample = await this.subscription.sample();
    if (sample === null || this.#abort.signal.aborted) {
      return;
    }
    const flow = this.#flow.observe(sample, true);
    if (flow === 'flowing') {
      clearTimeout(this.#deadline);
      this.#events.flowing();
    } else if (flow === 'stalled') {
      this.#events.stalled();
    }
  }

  #fail(): void {
    if (!this.#abort.signal.aborted) {
      this.#events.failed();
    }
  }

  #free(): void {
    if (this.#resource !== null) {
      this.#outside.deleteResource(this.#resource);
      this.#resource = null;
    }
  }
}
