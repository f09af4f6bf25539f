import { type Route, isOurs, routeOf } from '../router';

/** Which page is shown, kept in step with the address bar. */
class Navigation {
  route = $state.raw<Route>(routeOf(location.pathname));

  constructor() {
    addEventListener('popstate', () => this.#follow());
    document.addEventListener('click', (event) => {
      const link = event.target instanceof Element ? event.target.closest('a') : null;
      if (link !== null && isOurs(event, link, location.origin)) {
        event.preventDefault();
        this.go(link.pathname + link.search);
      }
    });
  }

  /** Goes to another page of ours. */
  go(path: string): void {
    history.pushState(null, '', path);
    scrollTo(0, 0);
    this.#follow();
  }

  #follow(): void {
    this.route = routeOf(location.pathname);
  }
}

export const navigation = new Navigation();
