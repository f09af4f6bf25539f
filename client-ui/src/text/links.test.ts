import { describe, expect, it } from 'vitest';
import { linkParts } from './links';

const links = (message: string) => linkParts(message).flatMap((part) => (part.kind === 'link' ? [part.href] : []));

describe('linkParts', () => {
  it('gives back the whole message, piece by piece', () => {
    const message = 'see https://a.example/x, and (http://b.example/y) – or not. 👍';
    expect(
      linkParts(message)
        .map((part) => part.text)
        .join(''),
    ).toBe(message);
  });

  it.each([
    ['https://a.example', 'https://a.example/'],
    ['look: https://a.example/path?q=1#top.', 'https://a.example/path?q=1#top'],
    ['(https://a.example/x)', 'https://a.example/x'],
    ['https://en.example/wiki/Light_(stage)', 'https://en.example/wiki/Light_(stage)'],
    ['HTTPS://A.EXAMPLE/X', 'https://a.example/X'],
    ['https://a.example/x, really?!', 'https://a.example/x'],
    ['https://bücher.example/ü', 'https://xn--bcher-kva.example/%C3%BC'],
    ['"https://a.example/x"', 'https://a.example/x'],
  ])('finds the address in %j', (message, href) => {
    expect(links(message)).toEqual([href]);
  });

  it.each([
    'javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'ftp://a.example/x',
    'xhttps://a.example',
    'https://',
    'https:// a.example',
    'https://user:secret@a.example/',
    'https://bank.example@evil.example/',
    'a.example/x',
    '',
  ])('makes no link of %j', (message) => {
    expect(links(message)).toEqual([]);
  });

  it('ends an address before a character that would turn it around', () => {
    expect(links('https://a.example/\u202egpj.exe')).toEqual(['https://a.example/']);
  });

  it('leaves markup as text', () => {
    expect(linkParts('<img src=x onerror=alert(1)>')).toEqual([{ kind: 'text', text: '<img src=x onerror=alert(1)>' }]);
    expect(links('<a href="https://a.example/">x</a>')).toEqual(['https://a.example/']);
  });

  it.each([
    ['(https://a.example/x_(y).)!', 'https://a.example/x_(y)'],
    ['https://a.example/x).).', 'https://a.example/x'],
    ['https://a.example/(x]', 'https://a.example/(x'],
  ])('ends the address where the sentence goes on: %j', (message, href) => {
    expect(links(message)).toEqual([href]);
  });

  // A server sends up to a megabyte: time that grew with its square would pass any test's limit.
  it('takes no longer for brackets and full stops without end', () => {
    const many = 400_000;
    const address = `https://a.example/${'.'.repeat(many)}x`;
    expect(links(`https://a.example/${').'.repeat(many)} ${address}`)).toEqual(['https://a.example/', address]);
  });
});
