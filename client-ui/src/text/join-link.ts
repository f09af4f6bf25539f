/** As the server checks it: letters, digits, `-` and `_`, at most 64. */
const SESSION_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Where a text that somebody pasted leads. */
export type JoinTarget =
  | { readonly kind: 'session'; readonly id: string }
  /** A watch page of another server. */
  | { readonly kind: 'elsewhere'; readonly url: URL }
  | { readonly kind: 'unreadable'; readonly why: string };

/** Whether `text` can be the name of a session. */
export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text);
}

/**
 * Reads a link to a watch page, or the bare code of a session.
 *
 * @param origin - of this server
 */
export function parseJoin(text: string, origin: string): JoinTarget {
  const typed = text.trim();
  if (typed === '') {
    return { kind: 'unreadable', why: 'Paste a link to a stream, or type its code.' };
  }
  if (isSessionId(typed)) {
    return { kind: 'session', id: typed };
  }
  const url = asUrl(typed, origin);
  const id = url?.pathname.match(/^\/(?:watch|whip|whep)\/([^/]+)\/?$/)?.[1];
  if (url === null || id === undefined || !isSessionId(id)) {
    return { kind: 'unreadable', why: 'This is not a link to a stream. One looks like …/watch/evening-show.' };
  }
  if (url.origin === origin) {
    return { kind: 'session', id };
  }
  return { kind: 'elsewhere', url: new URL(`/watch/${id}`, url) };
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
