import { beforeEach, expect, it } from 'vitest';
import { Invitations } from './invitations';
import { TabTokens } from './tab-tokens';

let stored: Map<string, string>;

beforeEach(() => void (stored = new Map()));

/** A page of the tab, with the server behind it. */
function page(origin = 'https://home'): Invitations {
  const storage = {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => void stored.set(key, value),
    removeItem: (key: string) => void stored.delete(key),
  };
  return new Invitations(new TabTokens('invitation', storage), () => origin);
}

const token = (invitations: Invitations, path: string) => invitations.accept(`https://host${path}`).token;

it('are still there when the page is loaded again, for its own address alone', () => {
  expect(token(page(), '/watch/show/?token=a.b.c&username=Ada')).toBe('a.b.c');
  expect(page().accept('https://host/watch/show?username=Ada')).toEqual({
    token: 'a.b.c',
    username: 'Ada',
    address: '/watch/show?username=Ada',
  });
  expect(token(page(), '/watch/other')).toBeNull();
  expect(token(page(), '/stream')).toBeNull();
});

it('give way to a later link', () => {
  token(page(), '/stream?token=old');
  expect(token(page(), '/stream?token=new')).toBe('new');
  expect(token(page(), '/stream')).toBe('new');
});

it('are told to no other server', () => {
  token(page(), '/stream?token=key');
  expect(token(page('https://away'), '/stream')).toBeNull();
  expect(token(page(), '/stream')).toBe('key');
});

it('are forgotten by whoever comes in without the key', () => {
  token(page(), '/watch/show?token=a.b.c');
  page().forget('/watch/show');
  expect(token(page(), '/watch/show')).toBeNull();
  expect(stored.size).toBe(0);
});
