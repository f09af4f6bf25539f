/** What a publisher finds when its signaling is back. */
export interface Found {
  /** Of the connection that it has; `null` for none. */
  readonly connection: RTCPeerConnectionState | null;
  /** Whether media has ever flowed over it. */
  readonly wasConnected: boolean;
  /** Whether an offer went out that no answer has come to: it or its answer is lost with the old signaling. */
  readonly offered: boolean;
  /** Whether the server says that our media reaches it. A server that was restarted has never heard of us. */
  readonly onAir: boolean;
}

/**
 * What to do then: `renew` makes another connection, `resend` the same offer again, which may carry new ICE credentials,
 * `restart` makes new ones for the connection that is there.
 */
export type Resumption = 'keep' | 'resend' | 'restart' | 'renew';

/** Decides it. */
export function resumptionOf({ connection, wasConnected, offered, onAir }: Found): Resumption {
  if (connection === null || connection === 'closed' || !wasConnected || !onAir) {
    return 'renew';
  }
  if (offered) {
    return 'resend';
  }
  return connection === 'connected' ? 'keep' : 'restart';
}
