import type { ChatMessage, Role } from '../protocol/bindings';

/** Lines that are kept: what somebody can scroll back to, and what a phone can lay out without a stutter. */
export const MAX_CHAT_LINES = 500;

/** Longest message, in characters, as the server counts them: Unicode scalar values. */
export const MAX_CHAT_CHARS = 500;

/** From this many characters on, the composer counts down. */
const COUNTED_FROM = 400;

/** One message as the chat shows it. */
export interface ChatLine {
  readonly id: string;
  readonly userId: string;
  readonly name: string;
  /** When it was written. */
  readonly role: Role;
  /** Plain text, never markup. */
  readonly text: string;
  /** On the server's clock, in milliseconds since 1970; `null` where the server's time cannot be read. */
  readonly at: number | null;
}

/** A line from what the wire says. */
export function chatLine(message: ChatMessage): ChatLine {
  const at = Date.parse(message.timestamp);
  return {
    id: message.message_id,
    userId: message.user_id,
    name: message.username,
    role: message.role,
    text: message.message,
    at: Number.isNaN(at) ? null : at,
  };
}

/** `chat` with `line` at its end; the oldest lines go first, and a line that is there already is not said twice. */
export function withLine(chat: readonly ChatLine[], line: ChatLine): readonly ChatLine[] {
  return chat.some((one) => one.id === line.id) ? chat : [...chat.slice(-(MAX_CHAT_LINES - 1)), line];
}

/** The chat that somebody who joins is given: no more than can be shown, each line once. */
export function withHistory(history: readonly ChatMessage[]): readonly ChatLine[] {
  const byId = new Map(history.map((message) => [message.message_id, chatLine(message)]));
  return [...byId.values()].slice(-MAX_CHAT_LINES);
}

/** Lines after the one that was read last; all of them where that one is gone. */
export function unread(chat: readonly ChatLine[], lastRead: string | null): number {
  const index = chat.findLastIndex((line) => line.id === lastRead);
  return chat.length - 1 - index;
}

/** Characters of `text` as the server counts them. */
export function characters(text: string): number {
  return [...text].length;
}

/** How many characters are left, once that matters; `null` before. */
export function charactersLeft(text: string): number | null {
  const used = characters(text.trim());
  return used < COUNTED_FROM ? null : MAX_CHAT_CHARS - used;
}
