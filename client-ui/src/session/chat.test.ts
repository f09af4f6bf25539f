import { describe, expect, it } from 'vitest';
import { MAX_CHAT_LINES, characters, charactersLeft, unread, withHistory, withLine, chatLine } from './chat';
import { said } from './fixtures';

const lines = (...ids: string[]) => withHistory(ids.map((id) => said(id, id)));

describe('the chat', () => {
  it('is never longer than can be shown', () => {
    const history = Array.from({ length: MAX_CHAT_LINES + 3 }, (_, index) => said(`${index}`, 'x'));
    expect(withHistory(history)).toHaveLength(MAX_CHAT_LINES);
    const chat = withLine(withHistory(history), chatLine(said('new', 'x')));
    expect(chat).toHaveLength(MAX_CHAT_LINES);
    expect(chat.at(-1)?.id).toBe('new');
  });

  it('shows a message without a time where the server has a clock of its own', () => {
    expect(chatLine(said('1', 'x', { timestamp: 'soon' })).at).toBeNull();
  });

  it('counts what came after the line that was read last', () => {
    const chat = lines('a', 'b', 'c');
    expect(unread(chat, 'c')).toBe(0);
    expect(unread(chat, 'a')).toBe(2);
    expect(unread(chat, 'gone'), 'all of it is new').toBe(3);
    expect(unread([], null)).toBe(0);
  });
});

describe('characters', () => {
  it('are counted as the server does: a face is one', () => {
    expect(characters('aé😀')).toBe(3);
  });

  it('are shown only near the limit', () => {
    expect(charactersLeft('x'.repeat(399))).toBeNull();
    expect(charactersLeft('😀'.repeat(400))).toBe(100);
    expect(charactersLeft('x'.repeat(510))).toBe(-10);
    expect(charactersLeft(`${'x'.repeat(400)}${' '.repeat(200)}`), 'blanks at the end are not sent').toBe(100);
  });
});
