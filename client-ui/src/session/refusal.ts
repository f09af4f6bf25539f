/** Why somebody is not let into a session. */
export interface Refusal {
  /** As the server names it, or one of ours. */
  readonly code: string;
  /** In the server's own words; may be empty. */
  readonly message: string;
}

/** What a server says to somebody whose WebSocket was refused; `unreachable` where nobody answers who knows. */
export type Admission = 'granted' | 'absent' | 'unreachable' | Refusal;

/** The server's code for somebody who was sent away, or comes from a network that was banned. */
export const REMOVED = 'removed';

/** The server would let this person in, and yet no WebSocket comes to stand. */
export const BLOCKED: Refusal = { code: 'websocket_blocked', message: '' };

/** The server's codes for a bearer token that will never be good here. */
const FOR_GOOD: readonly string[] = [
  'token_required',
  'token_expired',
  'token_other_session',
  'token_malformed',
  'token_algorithm',
  'token_signature',
  'token_claims',
  'unauthorized',
];

/** Whether it may be another answer the next time, with nothing done about it. */
export function mayPass({ code }: Refusal): boolean {
  return code !== REMOVED && !FOR_GOOD.includes(code);
}
