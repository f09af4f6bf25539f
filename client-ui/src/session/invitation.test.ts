import { describe, expect, it } from 'vitest';
import { invitationIn } from './invitation';

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
