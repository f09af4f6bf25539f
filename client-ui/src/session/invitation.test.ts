import { describe, expect, it } from 'vitest';
import { invitationIn, sessionNamedIn } from './invitation';

describe('invitationIn', () => {
  it('takes the token out of the address, and leaves the rest', () => {
    expect(invitationIn('https://host/watch/show?username=Ada&token=a.b.c&x=1#now')).toEqual({
      token: 'a.b.c',
      username: 'Ada',
      address: '/watch/show?username=Ada&x=1#now',
    });
  });

  it('has nothing to say where nobody was invited by name', () => {
    const none = { token: null, username: null, address: '/watch/show' };
    expect(invitationIn('https://host/watch/show')).toEqual(none);
    expect(invitationIn('https://host/watch/show?token=')).toEqual(none);
  });
});

describe('sessionNamedIn', () => {
  /** As the server makes them (`server/src/auth/claims.rs`). */
  const tokenOf = (claims: unknown) => {
    const part = (content: unknown) => Buffer.from(JSON.stringify(content)).toString('base64url');
    return `${part({ typ: 'JWT', alg: 'HS256' })}.${part(claims)}.c2lnbmF0dXJl`;
  };

  it('reads the session out of a token, whatever else it says', () => {
    const claims = { session: 'evening-show', user: 'u1', name: 'Zoë ÿ 🎭?>', role: 'host', iat: 1, exp: 2 };
    const token = tokenOf(claims);
    expect(token, 'letters that base64 has not').toMatch(/[-_]/);
    expect(sessionNamedIn(token)).toBe('evening-show');
  });

  it.each([
    ['an API key', 'k3y'],
    ['an API key with dots', 'a.b.c'],
    ['a token without a session', tokenOf({ role: 'host' })],
    ['one with an impossible session', tokenOf({ session: '../x' })],
    ['one that says nothing', tokenOf(null)],
    ['another count of parts', `${tokenOf({ session: 'show' })}.more`],
  ])('finds none in %s', (_, token) => expect(sessionNamedIn(token)).toBeNull());
});
