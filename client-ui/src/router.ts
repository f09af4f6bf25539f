import { isSessionId } from './text/join-link';

/** A page and what its address says. */
export type Route =
  | { readonly page: 'home' }
  | { readonly page: 'live' }
  | { readonly page: 'watch'; readonly sessionId: string }
  /** Going live; with the session that this browser hosts once there is one. */
  | { readonly page: 'stream'; readonly sessionId: string | null }
  | { readonly page: 'unknown'; readonly path: string };

/** The page at `path`; a slash at its end does not matter. */
export function routeOf(path: string): Route {
  const trimmed = path.replace(/\/+$/, '');
  if (trimmed === '') {
    return { page: 'home' };
  }
  if (trimmed === '/live') {
    return { page: 'live' };
  }
  if (trimmed === '/stream') {
    return { page: 'stream', sessionId: null };
  }
  const [, page, sessionId] = trimmed.match(/^\/(watch|stream)\/([^/]+)$/) ?? [];
  if (sessionId !== undefined && isSessionId(sessionId)) {
    return { page: page === 'watch' ? 'watch' : 'stream', sessionId };
  }
  return { page: 'unknown', path };
}

/** The path of a session's watch page. */
export function watchPath(sessionId: string): string {
  return `/watch/${encodeURIComponent(sessionId)}`;
}

/** The path of a session for whoever hosts it. */
export function streamPath(sessionId: string): string {
  return `/stream/${encodeURIComponent(sessionId)}`;
}

/** The part of a click that decides whether it stays within the pages. */
export type LinkClick = Pick<MouseEvent, 'button' | 'metaKey' | 'ctrlKey' | 'shiftKey' | 'altKey' | 'defaultPrevented'>;

/** Whether a click on a link is ours to follow; new tabs, downloads and other servers are the browser's. */
export function isOurs(
  click: LinkClick,
  link: Pick<HTMLAnchorElement, 'origin' | 'target' | 'pathname'>,
  origin: string,
): boolean {
  const plain = click.button === 0 && !click.metaKey && !click.ctrlKey && !click.shiftKey && !click.altKey;
  return (
    plain &&
    !click.defaultPrevented &&
    link.target === '' &&
    link.origin === origin &&
    routeOf(link.pathname).page !== 'unknown'
  );
}
