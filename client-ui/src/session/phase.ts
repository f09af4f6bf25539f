import type { EndReason } from '../protocol/bindings';
import { type Refusal, mayPass } from './refusal';

/** What the watch page shows, and its `data-state`. */
export type Phase =
  | 'connecting'
  | 'waiting'
  | 'live'
  | 'reconnecting'
  | 'ended'
  | 'not-found'
  | 'unsupported'
  | 'offline'
  /** The server does not let this person in. */
  | 'refused'
  /** A host or cohost sent this person away. */
  | 'expelled'
  /** The same person has come in anew elsewhere. */
  | 'replaced';

/**
 * The way to the server. `absent`: it answers, and knows no such session. `refused`: it knows the session, and lets us not
 * in. `ended`: it said so. `expelled`, `replaced`: it closed the connection, and not to be opened again.
 */
export type Link = 'opening' | 'open' | 'down' | 'absent' | 'refused' | 'ended' | 'expelled' | 'replaced';

/** The way of the media. `stalled`: it was flowing, and nothing has come for a while. */
export type Flow = 'none' | 'flowing' | 'stalled';

/** All that the phase follows from. */
export interface Facts {
  /** Whether the browser has WebRTC at all. */
  readonly engineWorks: boolean;
  /** Whether the session is a mesh, of which this engine cannot be a part. */
  readonly meshless: boolean;
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
  /** Why it has ended, where it has. */
  readonly endReason: EndReason | null;
  /** Who sent this person away and why, where somebody did. */
  readonly expulsion: { readonly by: string; readonly reason: string } | null;
  /** Why the server does not let us in, where it does not. */
  readonly refusal: Refusal | null;
}

/** What is known before anything is. */
export const FIRST_FACTS: Facts = {
  engineWorks: true,
  meshless: false,
  unplayableCodec: null,
  online: true,
  link: 'opening',
  onAir: false,
  flow: 'none',
  lost: false,
  endReason: null,
  expulsion: null,
  refusal: null,
};

/** Whether the link stays as it is until the page is loaded again. */
export function isFinal({ link, refusal }: Pick<Facts, 'link' | 'refusal'>): boolean {
  const forGood = link === 'refused' && refusal !== null && !mayPass(refusal);
  return link === 'expelled' || link === 'replaced' || forGood;
}

/** Whether this person is out of the session, and is not about to be let in again: a refusal that may pass is waited out. */
export function isOver(facts: Pick<Facts, 'link' | 'refusal'>): boolean {
  return facts.link === 'ended' || isFinal(facts);
}

/** The one phase that follows from `facts`. */
export function phaseOf(facts: Facts): Phase {
  if (!facts.engineWorks) {
    return 'unsupported';
  }
  switch (facts.link) {
    case 'ended':
    case 'expelled':
    case 'replaced':
      return facts.link;
    case 'absent':
      return facts.lost ? 'reconnecting' : 'not-found';
    case 'refused':
      return facts.online ? 'refused' : 'offline';
    case 'opening':
    case 'down':
      if (!facts.online) {
        return 'offline';
      }
      return facts.lost ? 'reconnecting' : 'connecting';
    case 'open':
      if (facts.meshless) {
        return 'unsupported';
      }
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
