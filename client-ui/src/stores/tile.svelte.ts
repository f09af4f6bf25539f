import { deleteResource, postOffer, previewEndpoint } from '../api/whep';
import { mediaEngine } from '../media/current';
import type { Subscription } from '../media/engine';
import { server } from '../server/current';
import { TileConnection, type TilePhase } from '../session/tile-connection';

/** How long a tile that was scrolled away keeps playing, for those who scroll back at once. */
const LINGER_MS = 1_500;

/** One tile of the grid. */
export class Tile {
  phase = $state<TilePhase>('idle');
  subscription = $state.raw<Subscription | null>(null);
  readonly #connection: TileConnection;
  #leaving: ReturnType<typeof setTimeout> | undefined;

  constructor(sessionId: string) {
    const endpoint = previewEndpoint(sessionId, server().origin);
    this.#connection = new TileConnection(
      {
        engine: mediaEngine(),
        postOffer: (offer, signal) => postOffer(endpoint, offer, signal),
        deleteResource,
        random: Math.random,
      },
      {
        phase: (phase) => (this.phase = phase),
        subscription: (subscription) => (this.subscription = subscription),
      },
    );
  }

  /** Plays while `element` is in view and the page is shown. Returns what ends it. */
  follow(element: Element): () => void {
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
    const hidden = () => this.#connection.close();
    observer.observe(element);
    document.addEventListener('visibilitychange', apply);
    addEventListener('pagehide', hidden);
    addEventListener('pageshow', apply);
    return () => {
      observer.disconnect();
      document.removeEventListener('visibilitychange', apply);
      removeEventListener('pagehide', hidden);
      removeEventListener('pageshow', apply);
      clearTimeout(this.#leaving);
      this.#connection.close();
    };
  }

  /** The element that shows the subscription has presented a frame. */
  framePresented(): void {
    this.#connection.framePresented();
  }
}
