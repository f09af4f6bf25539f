import { SvelteSet } from 'svelte/reactivity';
import { followSight } from '../studio/sight';
import type { Player } from './player.svelte';

/** Whoever comes back to the page before this, as when flipping through tabs, finds pictures that have gone on. */
const AWAY_AFTER_MS = 5_000;

/** Which pictures of the stage can be seen. Those that cannot need not be sent; sound goes on. */
export class StageSight {
  /** Whether the page is shown, or was a moment ago. */
  #shown = $state(true);
  /** Pictures that are scrolled out of sight. */
  readonly #scrolledAway = new SvelteSet<string>();
  readonly #player: Pick<Player, 'inPicture' | 'fullScreen'>;

  constructor(player: Pick<Player, 'inPicture' | 'fullScreen'>) {
    this.#player = player;
  }

  /** Observes the page. Returns what ends it. */
  start(): () => void {
    let leaving: ReturnType<typeof setTimeout> | undefined;
    const look = (inSight: boolean) => {
      clearTimeout(leaving);
      if (inSight) {
        this.#shown = true;
      } else {
        leaving = setTimeout(() => (this.#shown = false), AWAY_AFTER_MS);
      }
    };
    look(document.visibilityState === 'visible');
    const endFollowing = followSight(document, look);
    return () => {
      endFollowing();
      clearTimeout(leaving);
    };
  }

  /** Observes where `element` is, in which the picture of this name lies. Returns what ends it. */
  observe(picture: string, element: Element): () => void {
    const observer = new IntersectionObserver((entries) => {
      if (entries.at(-1)?.isIntersecting === false) {
        this.#scrolledAway.add(picture);
      } else {
        this.#scrolledAway.delete(picture);
      }
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      this.#scrolledAway.delete(picture);
    };
  }

  /** Whether the picture of this name can be seen. A small window and the full screen show it wherever the page is. */
  sees(picture: string): boolean {
    const elsewhere = this.#player.inPicture || this.#player.fullScreen;
    return elsewhere || (this.#shown && !this.#scrolledAway.has(picture));
  }
}
