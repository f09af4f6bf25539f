import { REMOVED, type Refusal } from '../session/refusal';

/**
 * What somebody can do who is not in a stream. `again`: ask once more to be let in. `without-key`: come in as anybody may,
 * without what the link says. `anew`: go live again. `elsewhere`: see what else is live.
 */
export type Way = 'again' | 'without-key' | 'anew' | 'elsewhere';

/** What is said to somebody who is not let in. */
export interface RefusalWords {
  /** What happened. */
  readonly headline: string;
  /** What Footlight does about it, and what the person can do. */
  readonly explanation: string;
  readonly ways: readonly Way[];
}

/** The words for `refusal`, by its code. */
export function refusalWords({ code, message }: Refusal): RefusalWords {
  switch (code) {
    case 'session_full':
      return {
        headline: 'This stream is full',
        explanation: 'It has as many people in it as it takes. This page lets you in as soon as somebody leaves.',
        ways: ['again', 'elsewhere'],
      };
    case REMOVED:
      return {
        headline: 'You cannot come back to this stream',
        explanation: 'The host or a cohost removed you, or banned the network that you are on. It holds until the end.',
        ways: ['elsewhere'],
      };
    case 'token_required':
      return {
        headline: 'This stream is by invitation',
        explanation: 'It opens with a link of your own, with a key in it. Ask the host for one, and open that.',
        ways: ['elsewhere'],
      };
    case 'token_expired':
      return {
        headline: 'Your link has expired',
        explanation: 'Its time is over. Ask whoever sent it for a new one.',
        ways: ['without-key', 'elsewhere'],
      };
    case 'token_not_yet_valid':
      return {
        headline: 'Your link is not good yet',
        explanation: 'It opens this stream later, and this page keeps trying. Is the clock of your device right?',
        ways: ['again', 'without-key'],
      };
    case 'token_other_session':
      return {
        headline: 'Your link is for another stream',
        explanation: 'The key in it does not open this one. Open it as it was sent, or ask for a link to this stream.',
        ways: ['without-key', 'elsewhere'],
      };
    case 'token_malformed':
    case 'token_algorithm':
    case 'token_signature':
    case 'token_claims':
    case 'unauthorized':
      return {
        headline: 'Your link is not good here',
        explanation:
          'The key in it is damaged, or for another server. Open the link again as it was sent, or ask for a new one.',
        ways: ['without-key', 'elsewhere'],
      };
    case 'websocket_blocked':
      return {
        headline: 'Something keeps you from the server',
        explanation:
          'The server answers, but a proxy, a company’s network or an extension lets no live connection through. Try another network; this page keeps trying.',
        ways: ['again'],
      };
    default:
      return {
        headline: 'You cannot come in just now',
        explanation: `${message} This page keeps trying, and plays when it is let in.`.trimStart(),
        ways: ['again', 'elsewhere'],
      };
  }
}
