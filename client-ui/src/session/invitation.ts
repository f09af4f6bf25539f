/** What the address of a room says about whoever opens it. */
export interface Invitation {
  /** Signed by the server. */
  readonly token: string | null;
  readonly username: string | null;
  /** The address to show: a token is a secret, and addresses are read over shoulders and copied on. */
  readonly address: string;
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
