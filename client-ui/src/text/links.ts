/** A piece of a message: plain text, or a link with its text. */
export type TextPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'link'; readonly text: string; readonly href: string };

/** Begins like a web address; what follows is judged by the URL parser. Bidirectional controls end it: they reorder it. */
const CANDIDATE = /\bhttps?:\/\/[^\s<>"'`\u200e\u200f\u202a-\u202e\u2066-\u2069]+/giu;

/** Ends a sentence rather than an address. */
const TRAILING = /[.,;:!?…]+$/u;

const CLOSING: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

/** Without what belongs to the sentence around it: full stops, and brackets that were not opened within. */
function trimmed(candidate: string): string {
  let link = candidate;
  for (;;) {
    const bare = link.replace(TRAILING, '');
    const last = bare.at(-1) ?? '';
    const opening = CLOSING[last];
    const stray = opening !== undefined && count(bare, last) > count(bare, opening);
    const next = stray ? bare.slice(0, -1) : bare;
    if (next === link) {
      return link;
    }
    link = next;
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
