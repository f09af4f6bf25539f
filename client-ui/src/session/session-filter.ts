import type { SessionMode, SessionSummary } from '../protocol/bindings';

/** What somebody looks for among the live sessions. */
export interface SessionWish {
  /** `null` for any. */
  readonly mode: SessionMode | null;
  /** Words of the title or of names. */
  readonly text: string;
}

/** Whatever there is. */
export const EVERYTHING: SessionWish = { mode: null, text: '' };

/** As people type it: without regard to case, accents and the ways to write one character (Unicode TR 15). */
function plain(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLocaleLowerCase();
}

/** Whether `session` is what is looked for: every word is in its title, or in the name of somebody on air. */
export function matches(session: SessionSummary, { mode, text }: SessionWish): boolean {
  if (mode !== null && session.mode !== mode) {
    return false;
  }
  const told = plain([session.title, ...session.broadcasters.map((one) => one.username)].join('\n'));
  return plain(text)
    .split(/\s+/u)
    .every((word) => told.includes(word));
}
