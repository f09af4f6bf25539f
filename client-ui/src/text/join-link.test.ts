import { describe, expect, it } from 'vitest';
import { parseJoin } from './join-link';

const ORIGIN = 'https://live.example:8443';
const join = (text: string) => parseJoin(text, ORIGIN);

describe('parseJoin', () => {
  it.each([
    'evening-show',
    '  evening-show\n',
    '/watch/evening-show',
    'https://live.example:8443/watch/evening-show',
    'https://live.example:8443/watch/evening-show/?x=1#now',
    'https://live.example:8443/watch/evening-show?token=',
    'HTTPS://live.example:8443/watch/evening-show',
    'live.example:8443/watch/evening-show',
    'https://live.example:8443/whip/evening-show',
  ])('goes to the session that %j names', (text) => {
    expect(join(text)).toEqual({ kind: 'here', path: '/watch/evening-show' });
  });

  it.each([
    ['/watch/show?token=a.b-c_.d&username=Ada%20L&x=1#now', '/watch/show?token=a.b-c_.d&username=Ada+L'],
    ['live.example:8443/watch/show?username=Ada', '/watch/show?username=Ada'],
    ['https://live.example:8443/stream?token=a%2Bb', '/stream?token=a%2Bb'],
    ['https://live.example:8443/stream/?username=Ada&token=k', '/stream?token=k&username=Ada'],
  ])('keeps what %j says about whoever opens it', (text, path) => {
    expect(join(text)).toEqual({ kind: 'here', path });
  });

  it('goes to another server for its sessions', () => {
    const target = join('http://other.example/watch/abc?x=1');
    expect(target.kind === 'elsewhere' && target.url.href).toBe('http://other.example/watch/abc');
    const invited = join('http://other.example/watch/abc?token=k');
    expect(invited.kind === 'elsewhere' && invited.url.href).toBe('http://other.example/watch/abc?token=k');
  });

  it.each([
    '',
    '   ',
    'two words',
    'https://live.example:8443/',
    'https://live.example:8443/watch/',
    'https://live.example:8443/watch/a%2Fb',
    'https://live.example:8443/other/abc',
    'https://live.example:8443/stream',
    'https://live.example:8443/stream/show?token=k',
    'javascript:alert(1)//watch/abc',
    'javascript:/watch/abc',
    'https://[bad/watch/abc',
    `https://live.example:8443/watch/${'x'.repeat(65)}`,
  ])('does not go anywhere for %j, and says why', (text) => {
    const target = join(text);
    expect(target.kind).toBe('unreadable');
    expect(target.kind === 'unreadable' && target.why).toMatch(/link/);
  });
});
