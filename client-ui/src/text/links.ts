/** A piece of a message: plain text, or a link with its text. */
export type TextPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'link'; readonly text: string; readonly href: string };

/** Begins like a web address; what follows is judged by the URL parser. Bidirectional controls end it: they reorder it. */
const CANDIDATE = /\bhttps?:\/\/[^\s<>"'`\u200e\u200f\u202a-\u202e\u2066-\u2069]+/giu;

/** Ends a sentence rather than an address. */
const TRAILING: ReadonlySet<string> = new Set('.,;:!?…');

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** How many brackets of each kind are closed without having been opened, by the closing one. */
function strayBrackets(text: string): Map<string, number> {
  const stray = new Map(Object.values(CLOSING).map((closing) => [closing, 0]));
  for (const character of text) {
    const closing = CLOSING[character];
    if (closing !== undefined) {
      stray.set(closing, (stray.get(closing) ?? 0) - 1);
    } else if (stray.has(character)) {
      stray.set(character, (stray.get(character) ?? 0) + 1);
    }
  }
  return stray;
}

/**
 * Without what belongs to the sentence around it: full stops, and brackets that were not opened within. Counted once: a server
 * may send a message of any length.
 */
function trimmed(candidate: string): string {
  const stray = strayBrackets(candidate);
  for (let end = candidate.length; ; end -= 1) {
    const last = candidate.charAt(end - 1);
    const unopened = stray.get(last) ?? 0;
    if (unopened > 0) {
      stray.set(last, unopened - 1);
    } else if (!TRAILING.has(last)) {
      return candidate.slice(0, end);
    }
  }
}

/** The address behind `text`, where it is one of the web and says openly where it goes. */
function webAddress(text: string): string | null {
  try {
    const url = new URL(text);
    const web = url.protocol === 'https:' || url.protocol === 'http:';
    // `https://bank.example@evil.example` names one server and goes to another.
    return web && url.username === '' && url.password === '' ? url.href : null;
  } catch {
    return null;
  }
}

/** Splits a message into text and links; the parts together are the message. Nothing but http and https is a link. */
export function linkParts(message: string): readonly TextPart[] {
  const parts: TextPart[] = [];
  let from = 0;
  for (const match of message.matchAll(CANDIDATE)) {
    const text = trimmed(match[0]);
    const href = webAddress(text);
    if (href === null) {
      continue;
    }
    if (match.index > from) {
      parts.push({ kind: 'text', text: message.slice(from, match.index) });
    }
    parts.push({ kind: 'link', text, href });
    from = match.index + text.length;
  }
  if (from < message.length) {
    parts.push({ kind: 'text', text: message.slice(from) });
  }
  return parts;
}
