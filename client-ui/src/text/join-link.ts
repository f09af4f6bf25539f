/** As the server checks it: letters, digits, `-` and `_`, at most 64. */
const SESSION_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Where a text that somebody pasted leads. */
export type JoinTarget =
  /** A page of this server, with what the link says about whoever opens it. */
  | { readonly kind: 'here'; readonly path: string }
  /** A page of another server. */
  | { readonly kind: 'elsewhere'; readonly url: URL }
  | { readonly kind: 'unreadable'; readonly why: string };

/** Whether `text` can be the name of a session. */
export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text);
}

/** What a link can say of whoever opens it. */
const INVITATION = ['token', 'username'] as const;

/**
 * Reads a link to a watch page or an invitation to go live, or the bare code of a session.
 *
 * @param origin - of this server
 */
export function parseJoin(text: string, origin: string): JoinTarget {
  const typed = text.trim();
  if (typed === '') {
    return { kind: 'unreadable', why: 'Paste a link to a stream, or type its code.' };
  }
  if (isSessionId(typed)) {
    return { kind: 'here', path: `/watch/${typed}` };
  }
  const url = asUrl(typed, origin);
  const path = url === null ? null : pathIn(url);
  if (url === null || path === null) {
    return { kind: 'unreadable', why: 'This is not a link to a stream. One looks like …/watch/evening-show.' };
  }
  return url.origin === origin ? { kind: 'here', path } : { kind: 'elsewhere', url: new URL(path, url) };
}

/** The page that a link leads to; `null` where it is none that somebody is sent. */
function pathIn(url: URL): string | null {
  const id = url.pathname.match(/^\/(?:watch|whip|whep)\/([^/]+)\/?$/)?.[1];
  if (id !== undefined && isSessionId(id)) {
    return `/watch/${id}${invitationOf(url)}`;
  }
  // Without a key, it says nothing about any stream.
  const invites = /^\/stream\/?$/.test(url.pathname) && (url.searchParams.get('token') ?? '') !== '';
  return invites ? `/stream${invitationOf(url)}` : null;
}

function invitationOf(url: URL): string {
  const said = new URLSearchParams();
  for (const name of INVITATION) {
    const value = url.searchParams.get(name) ?? '';
    if (value !== '') {
      said.set(name, value);
    }
  }
  const query = said.toString();
  return query === '' ? '' : `?${query}`;
}

function asUrl(text: string, origin: string): URL | null {
  const absolute = /^https?:\/\//i.test(text);
  const withHost = !absolute && /^(\[[0-9a-f:]+\]|[^/\s:]+)(:\d+)?\//i.test(text);
  try {
    // Without a scheme, as people copy links by hand, the host is taken to speak as this server does.
    const url = withHost ? new URL(`${new URL(origin).protocol}//${text}`) : new URL(text, origin);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url : null;
  } catch {
    return null;
  }
}
