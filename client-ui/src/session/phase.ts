/** What the watch page shows, and its `data-state`. */
export type Phase =
  'connecting' | 'waiting' | 'live' | 'reconnecting' | 'ended' | 'not-found' | 'unsupported' | 'offline';

/**
 * The way to the server. `absent`: it answers, and knows no such session. `refused`: it knows the session, and lets us not
 * in. `ended`: it said so.
 */
export type Link = 'opening' | 'open' | 'down' | 'absent' | 'refused' | 'ended';

/** The way of the media. `stalled`: it was flowing, and nothing has come for a while. */
export type Flow = 'none' | 'flowing' | 'stalled';

/** All that the phase follows from. */
export interface Facts {
  /** Whether the browser has WebRTC at all. */
  readonly engineWorks: boolean;
  /** A codec that is on air and that this browser cannot decode. */
  readonly unplayableCodec: string | null;
  /** What the operating system says about the network. */
  readonly online: boolean;
  readonly link: Link;
  /** Whether somebody publishes. */
  readonly onAir: boolean;
  readonly flow: Flow;
  /**
   * Whether this page was in the session, lost it and does not play again yet: then whatever is missing is an
   * interruption and not a wrong address.
   */
  readonly lost: boolean;
}

/** The one phase that follows from `facts`. */
export function phaseOf(facts: Facts): Phase {
  if (!facts.engineWorks) {
    return 'unsupported';
  }
  switch (facts.link) {
    case 'ended':
      return 'ended';
    case 'absent':
      return facts.lost ? 'reconnecting' : 'not-found';
    case 'opening':
    case 'refused':
    case 'down':
      if (!facts.online) {
        return 'offline';
      }
      return facts.lost ? 'reconnecting' : 'connecting';
    case 'open':
      if (!facts.onAir) {
        return 'waiting';
      }
      if (facts.unplayableCodec !== null) {
        return 'unsupported';
      }
      return phaseOfFlow(facts);
  }
}

function phaseOfFlow(facts: Facts): Phase {
  switch (facts.flow) {
    case 'none':
      return facts.lost ? 'reconnecting' : 'connecting';
    case 'flowing':
      return 'live';
    case 'stalled':
      return 'waiting';
  }
}
