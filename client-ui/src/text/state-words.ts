import type { Facts, Phase } from '../session/phase';
import { type Way, refusalWords } from './refusal-words';

/** What the server calls somebody who gave no name. */
export const ANONYMOUS = 'Anonymous';

/** What the watch page says about its state. */
export interface StateWords {
  /** What happened, in a word or two. */
  readonly headline: string;
  /** What Footlight does about it, and what the person can do; empty while playing. */
  readonly explanation: string;
  /** Ways on that stand beneath it. */
  readonly ways?: readonly Way[];
}

/** Where there is nothing to wait for. */
const AT_REST: readonly Way[] = ['elsewhere'];

/**
 * The words for `phase`.
 *
 * @param hosting - whether they are said to the host, of their own stream
 */
export function stateWords(phase: Phase, facts: Facts | null, hostName: string, hosting = false): StateWords {
  const host = hostName === '' || hostName === ANONYMOUS ? 'the host' : hostName;
  switch (phase) {
    case 'connecting':
      return connectingWords(facts);
    case 'waiting':
      if (hosting) {
        return {
          headline: 'You are not on air',
          explanation: 'Nobody sees or hears you yet. Turn on your camera or microphone.',
        };
      }
      return facts?.flow === 'stalled'
        ? {
            headline: `Waiting for ${host}`,
            explanation: 'Their picture has stopped arriving. It goes on here by itself.',
          }
        : { headline: `Waiting for ${host}`, explanation: 'Nobody is on air. The stream starts here by itself.' };
    case 'live':
      return { headline: 'Live', explanation: '' };
    case 'reconnecting':
      return facts?.link === 'absent' && !hosting
        ? { headline: 'Reconnecting…', explanation: `The server is back. Waiting for ${host} to return.` }
        : { headline: 'Reconnecting…', explanation: 'The connection was lost. The stream goes on here by itself.' };
    case 'ended':
      return hosting ? ownEndWords(facts) : endedWords(facts);
    case 'refused':
      return refusalWords(facts?.refusal ?? { code: '', message: '' });
    case 'expelled':
      return expelledWords(facts);
    case 'replaced':
      return {
        headline: 'Open in another window',
        explanation:
          'You came in again somewhere else, and the stream goes on there. Reload this page to watch it here.',
        ways: AT_REST,
      };
    case 'not-found':
      return {
        headline: 'No stream at this address',
        explanation:
          'It may be over, or not have begun. Check the link; if the stream starts, it plays here by itself.',
        ways: AT_REST,
      };
    case 'offline':
      return {
        headline: 'You’re offline',
        explanation: 'This device has no network. The stream goes on as soon as it has.',
      };
    case 'unsupported':
      return unsupportedWords(facts);
  }
}

function connectingWords(facts: Facts | null): StateWords {
  return facts?.link === 'down'
    ? {
        headline: 'The server does not answer',
        explanation: 'It may be starting. This page keeps trying, and plays as soon as it can.',
      }
    : { headline: 'Connecting…', explanation: '' };
}

function endedWords(facts: Facts | null): StateWords {
  const headline = 'This stream has ended';
  switch (facts?.endReason) {
    case 'host_left':
      return { headline, explanation: 'The host left and did not come back. Thank you for watching.', ways: AT_REST };
    case 'idle':
      return { headline, explanation: 'Nobody was in it for a long time.', ways: AT_REST };
    default:
      return { headline, explanation: 'Thank you for watching.', ways: AT_REST };
  }
}

/** Of one's own stream. */
function ownEndWords(facts: Facts | null): StateWords {
  const headline = 'Your stream has ended';
  const ways = ['anew', ...AT_REST] as const;
  switch (facts?.endReason) {
    case 'host_left':
      return { headline, explanation: 'You were away for too long, and nobody could take over.', ways };
    case 'idle':
      return { headline, explanation: 'Nobody was in it for a long time.', ways };
    default:
      return { headline, explanation: 'Nobody is in it any more, and nothing of yours is sent.', ways };
  }
}

function expelledWords(facts: Facts | null): StateWords {
  const { by = '', reason = '' } = facts?.expulsion ?? {};
  const who = by === '' ? 'The host has' : `${by} has`;
  const why = reason === '' ? '' : ` The reason given: ${reason}`;
  return {
    headline: 'You were removed from this stream',
    explanation: `${who} ended your visit, and you cannot come back while it lasts.${why}`,
    ways: AT_REST,
  };
}

function unsupportedWords(facts: Facts | null): StateWords {
  if (facts?.meshless === true) {
    return {
      headline: 'This app cannot show this stream',
      explanation:
        'Its picture and sound travel straight between browsers, and this app is none. Open the stream’s link in a browser; here, the chat goes on.',
      ways: AT_REST,
    };
  }
  const codec = facts?.unplayableCodec ?? null;
  if (codec === null) {
    return {
      headline: 'This browser cannot play live video',
      explanation:
        'It has no WebRTC, or it is switched off. Open this page in a current Chrome, Edge, Firefox or Safari.',
      ways: AT_REST,
    };
  }
  const name = codec === 'H264' ? 'H.264' : codec;
  return {
    headline: `This browser cannot play ${name}`,
    explanation: `The stream is sent as ${name}. Open this page in another browser: current versions of Chrome, Edge and Safari play it.`,
    ways: AT_REST,
  };
}
