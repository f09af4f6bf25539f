import { type Route, isOurs, routeOf } from '../router';

/** What navigation needs of a window. */
export interface NavigationView extends Pick<Window, 'scrollTo'> {
  readonly history: Pick<History, 'state' | 'pushState' | 'replaceState' | 'go'>;
  readonly location: Pick<Location, 'pathname' | 'origin'>;
  readonly document: Pick<Document, 'addEventListener'>;
  addEventListener(type: 'popstate', listener: () => void): void;
}

/** Decides whether the page may be left: calls `leave` once it may, now or later, or never. */
export type LeaveGuard = (leave: () => void) => void;

/** How many pages of ours lie before the one at `state` in the history of the tab. */
function depthOf(state: unknown): number {
  const depth = typeof state === 'object' && state !== null && 'depth' in state ? state.depth : 0;
  return typeof depth === 'number' ? depth : 0;
}

/** Which page is shown, kept in step with the address bar. */
export class Navigation {
  /** Another object for each page that is gone to, be it one of the same address: that begins anew. */
  route: Route = $state.raw({ page: 'home' });
  readonly #view: NavigationView;
  #guard: LeaveGuard | null = null;
  /** Of the page that is shown. */
  #path: string;
  /** Of the page that is shown. */
  #depth: number;
  /** Whether the next step through the history is the way back to a page that was left without a question. */
  #returning = false;

  constructor(view: NavigationView) {
    this.#view = view;
    this.#depth = depthOf(view.history.state);
    this.#path = view.location.pathname;
    this.route = routeOf(view.location.pathname);
    view.addEventListener('popstate', () => this.#travelled());
    view.document.addEventListener('click', (event) => {
      const link = event.target instanceof Element ? event.target.closest('a') : null;
      if (link !== null && isOurs(event as MouseEvent, link, view.location.origin)) {
        event.preventDefault();
        this.go(link.pathname + link.search);
      }
    });
  }

  /** Goes to another page of ours, where a guard does not mind. */
  go(path: string): void {
    this.#ask(() => {
      this.#depth += 1;
      this.#view.history.pushState({ depth: this.#depth }, '', path);
      this.#view.scrollTo(0, 0);
      this.#follow();
    });
  }

  /** Gives the page that is shown another address; it stays as it is. */
  readdress(path: string): void {
    this.#view.history.replaceState(this.#view.history.state, '', path);
    this.#path = this.#view.location.pathname;
  }

  /** Does what ends the page by other ways, where a guard does not mind. The guard stays: what is done may fail. */
  ask(leave: () => void): void {
    if (this.#guard === null) {
      leave();
    } else {
      this.#guard(leave);
    }
  }

  /** Lets `guard` decide on leaving the page for another one of ours. Returns what ends that. */
  guard(guard: LeaveGuard): () => void {
    this.#guard = guard;
    return () => {
      if (this.#guard === guard) {
        this.#guard = null;
      }
    };
  }

  #ask(leave: () => void): void {
    this.ask(() => {
      this.#guard = null;
      leave();
    });
  }

  /** Back or forward: by now the address is the other page's, and there is no way to forbid that but to return. */
  #travelled(): void {
    if (this.#returning) {
      this.#returning = false;
      return;
    }
    const steps = depthOf(this.#view.history.state) - this.#depth;
    if (this.#guard === null || steps === 0) {
      this.#arrive();
      return;
    }
    this.#returning = true;
    this.#view.history.go(-steps);
    this.#ask(() => this.#view.history.go(steps));
  }

  #arrive(): void {
    this.#depth = depthOf(this.#view.history.state);
    // Somebody who changes what stands behind `#` arrives as well, on the page where they are.
    if (this.#view.location.pathname !== this.#path) {
      this.#follow();
    }
  }

  #follow(): void {
    this.#path = this.#view.location.pathname;
    this.route = routeOf(this.#path);
  }
}
