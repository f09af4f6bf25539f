import { describe, expect, it } from 'vitest';
import { isOurs, routeOf, streamPath, watchPath } from './router';

describe('routeOf', () => {
  it.each([
    ['/', { page: 'home' }],
    ['/live', { page: 'live' }],
    ['/live/', { page: 'live' }],
    ['/watch/evening-show', { page: 'watch', sessionId: 'evening-show' }],
    ['/watch/evening-show/', { page: 'watch', sessionId: 'evening-show' }],
    ['/watch', { page: 'unknown', path: '/watch' }],
    ['/watch/a/b', { page: 'unknown', path: '/watch/a/b' }],
    ['/watch/%2e%2e', { page: 'unknown', path: '/watch/%2e%2e' }],
    ['/stream', { page: 'stream', sessionId: null }],
    ['/stream/', { page: 'stream', sessionId: null }],
    ['/stream/evening-show', { page: 'stream', sessionId: 'evening-show' }],
    ['/stream/a/b', { page: 'unknown', path: '/stream/a/b' }],
    ['/stream/%2e%2e', { page: 'unknown', path: '/stream/%2e%2e' }],
    ['/nothing', { page: 'unknown', path: '/nothing' }],
  ])('%s', (path, route) => {
    expect(routeOf(path)).toEqual(route);
  });

  it('finds the way to a session and back', () => {
    expect(routeOf(watchPath('a_b-C9'))).toEqual({ page: 'watch', sessionId: 'a_b-C9' });
    expect(routeOf(streamPath('a_b-C9'))).toEqual({ page: 'stream', sessionId: 'a_b-C9' });
  });
});

describe('isOurs', () => {
  const click = { button: 0, metaKey: false, ctrlKey: false, shiftKey: false, altKey: false, defaultPrevented: false };
  const link = { origin: 'https://a', target: '', pathname: '/live' };

  it('follows a plain click on a page of ours', () => {
    expect(isOurs(click, link, 'https://a')).toBe(true);
  });

  it.each([
    ['a new tab by the middle button', { ...click, button: 1 }, link],
    ['a new tab by a key', { ...click, ctrlKey: true }, link],
    ['a click that was handled', { ...click, defaultPrevented: true }, link],
    ['another server', click, { ...link, origin: 'https://b' }],
    ['a link that names its window', click, { ...link, target: '_blank' }],
    ['a path that is not a page', click, { ...link, pathname: '/metrics' }],
  ])('leaves %s to the browser', (_, event, anchor) => {
    expect(isOurs(event, anchor, 'https://a')).toBe(false);
  });
});
