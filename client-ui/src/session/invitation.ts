import { isSessionId } from '../text/join-link';

/** What the address of a room says about whoever opens it. */
export interface Invitation {
  /** Signed by the server. */
  readonly token: string | null;
  readonly username: string | null;
  /** The address to show: a token is a secret, and addresses are read over shoulders and copied on. */
  readonly address: string;
}

/**
 * The session that `token` was made for; `null` where it names none, as a server's own key does. Nothing is checked: the server
 * does that, and wants the session named to do it.
 */
export function sessionNamedIn(token: string): string | null {
  // The shape of a JSON Web Token (RFC 7515 §3.1), and its alphabet (RFC 4648 §5).
  const [, payload, ...rest] = token.split('.');
  if (payload === undefined || rest.length !== 1) {
    return null;
  }
  try {
    const claims = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as { session?: unknown } | null;
    const session = claims?.session;
    return typeof session === 'string' && isSessionId(session) ? session : null;
  } catch {
    return null;
  }
}

/** Reads the address `href` of a room's page. */
export function invitationIn(href: string): Invitation {
  const url = new URL(href);
  const token = url.searchParams.get('token');
  url.searchParams.delete('token');
  return {
    token: token === '' ? null : token,
    username: url.searchParams.get('username'),
    address: url.pathname + url.search + url.hash,
  };
}
