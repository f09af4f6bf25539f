import { describe, expect, it } from 'vitest';
import { BLOCKED, mayPass } from '../session/refusal';
import { refusalWords } from './refusal-words';

/** As `server/src/http/error.rs` and `server/src/auth/refusal.rs` name them. */
const CODES = [
  'session_full',
  'removed',
  'token_required',
  'token_expired',
  'token_not_yet_valid',
  'token_other_session',
  'token_signature',
  BLOCKED.code,
];

const wordsFor = (code: string, message = '') => refusalWords({ code, message });

describe('refusalWords', () => {
  it('are others for each reason, and none of them the last resort', () => {
    const headlines = [...CODES, 'of a later version'].map((code) => wordsFor(code).headline);
    expect(new Set(headlines).size).toBe(headlines.length);
  });

  it('name a way on for every reason', () => {
    for (const code of [...CODES, 'of a later version']) {
      expect(wordsFor(code).ways, code).not.toHaveLength(0);
      expect(wordsFor(code).explanation, code).not.toBe('');
    }
  });

  it.each(['token_malformed', 'token_algorithm', 'token_claims', 'unauthorized'])(
    'say the same of %s as of any other key that is not good',
    (code) => expect(wordsFor(code)).toEqual(wordsFor('token_signature')),
  );

  it('offer to try again only where that may help', () => {
    for (const code of CODES) {
      expect(wordsFor(code).ways.includes('again'), code).toBe(mayPass({ code, message: '' }));
    }
  });

  it('repeat what the server says where they know no better', () => {
    expect(wordsFor('of a later version', 'The moon is wrong.').explanation).toMatch(/^The moon is wrong\. /);
    expect(wordsFor('of a later version').explanation).toMatch(/^This page keeps trying/);
  });
});
