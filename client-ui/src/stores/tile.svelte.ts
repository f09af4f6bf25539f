import { deleteResource, postOffer, previewEndpoint } from '../api/whep';
import { mediaEngine } from '../media/current';
import type { Subscription } from '../media/engine';
import { server } from '../server/current';
import { TileConnection, type TilePhase } from '../session/tile-connection';

/** How long a tile that was scrolled away keeps playing, for those who scroll back at once. */
const LINGER_MS = 1_500;

/** A tile that has grown by no more than this looks well enough with the picture that it has. */
const GROWN = 1.1;

/** A window that is being resized has a new size in every frame. */
const SETTLED_AFTER_MS = 500;

/** One tile of the grid. */
export class Tile {
  phase = $state<TilePhase>('idle');
  subscription = $state.raw<Subscription | null>(null);
  readonly #connection: TileConnection;
  #leaving: ReturnType<typeof setTimeout> | undefined;
  #growing: ReturnType<typeof setTimeout> | undefined;
  #element: Element | null = null;
  /** In device pixels, as the server was told; 0 before it was. */
  #asked = 0;

  constructor(sessionId: string) {
    this.#connection = new TileConnection(
      {
        engine: mediaEngine(),
        postOffer: (offer, signal) => {
          this.#asked = this.#height();
          return postOffer(previewEndpoint(sessionId, server().origin, this.#asked), offer, signal);
        },
        deleteResource,
        random: Math.random,
      },
      {
        phase: (phase) => (this.phase = phase),
        subscription: (subscription) => (this.subscription = subscription),
      },
    );
  }

  /** Plays while `element`, which the picture fills, is in view and the page is shown. Returns what ends it. */
  follow(element: Element): () => void {
    this.#element = element;
    let inView = false;
    const apply = () => {
      clearTimeout(this.#leaving);
      if (inView && !document.hidden) {
        this.#connection.open();
      } else {
        this.#leaving = setTimeout(() => this.#connection.close(), LINGER_MS);
      }
    };
    const observer = new IntersectionObserver((entries) => {
      inView = entries.at(-1)?.isIntersecting ?? false;
      apply();
    });
    const resizing = new ResizeObserver(() => {
      clearTimeout(this.#growing);
      this.#growing = setTimeout(() => this.#grow(), SETTLED_AFTER_MS);
    });
    const hidden = () => this.#connection.close();
    observer.observe(element);
    resizing.observe(element);
    document.addEventListener('visibilitychange', apply);
    addEventListener('pagehide', hidden);
    addEventListener('pageshow', apply);
    return () => {
      observer.disconnect();
      resizing.disconnect();
      clearTimeout(this.#growing);
      document.removeEventListener('visibilitychange', apply);
      removeEventListener('pagehide', hidden);
      removeEventListener('pageshow', apply);
      clearTimeout(this.#leaving);
      this.#connection.close();
    };
  }

  /** In device pixels. */
  #height(): number {
    return (this.#element?.clientHeight ?? 0) * devicePixelRatio;
  }

  /** What has grown needs a larger picture, and WHEP has no way to ask for it on the same connection. */
  #grow(): void {
    if (this.subscription !== null && this.#asked > 0 && this.#height() > this.#asked * GROWN) {
      this.#connection.renew();
    }
  }

  /** The element that shows the subscription has presented a frame. */
  framePresented(): void {
    this.#connection.framePresented();
  }
}
