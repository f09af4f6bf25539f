import { describe, expect, it } from 'vitest';
import type { ClientMessage, ServerEvent, ServerMessage } from '../protocol/bindings';
import { said, welcome } from '../session/fixtures';
import { Composer } from './composer.svelte';

class Room {
  open = true;
  readonly sent: ClientMessage[] = [];
  readonly composer: Composer;
  #hear: (message: ServerMessage) => void = () => undefined;

  constructor() {
    this.composer = new Composer(
      {
        send: (message) => this.open && this.sent.push(message) > 0,
        listen: (listener) => {
          this.#hear = listener;
          return () => undefined;
        },
      },
      () => 'me',
    );
    this.composer.start();
  }

  say(event: ServerEvent): void {
    this.#hear({ ...event, timestamp: 'now' } as ServerMessage);
  }

  submit(text: string): void {
    this.composer.text = text;
    this.composer.submit();
  }
}

const refusal: ServerEvent = { type: 'error', code: 'slow_mode', message: 'Wait 12 seconds.', action: 'chat' };
const echo: ServerEvent = { type: 'chat_message', ...said('1', 'hello', { user_id: 'me' }) };

describe('Composer', () => {
  it('sends what was typed, without blanks around it, and nothing blank', () => {
    const room = new Room();
    room.submit('  hello ');
    room.submit(' \n ');
    expect(room.sent).toEqual([{ action: 'chat', message: 'hello' }]);
    expect(room.composer.problem).toBe('');
  });

  it('gives the text back with the reason when it was not taken', () => {
    const room = new Room();
    room.submit('hello');
    expect(room.composer.text).toBe('');
    room.say(refusal);
    expect(room.composer).toMatchObject({ text: 'hello', problem: 'Wait 12 seconds.' });
    room.composer.edited();
    expect(room.composer.problem).toBe('');
  });

  it('does not overwrite what was typed meanwhile', () => {
    const room = new Room();
    room.submit('hello');
    room.composer.text = 'next';
    room.say(refusal);
    expect(room.composer).toMatchObject({ text: 'next', problem: 'Wait 12 seconds.' });
  });

  it('does not give back what has arrived', () => {
    const room = new Room();
    room.submit('hello');
    room.say(echo);
    room.say(refusal);
    expect(room.composer.text).toBe('');
  });

  it('keeps the text where nothing can be sent, or the message is too long', () => {
    const room = new Room();
    room.open = false;
    room.submit('hello');
    expect(room.composer).toMatchObject({ text: 'hello', problem: expect.stringContaining('Not sent') as string });
    room.open = true;
    room.submit('😀'.repeat(501));
    expect(room.sent).toEqual([]);
    expect(room.composer.problem).toContain('500');
  });

  it('finds out after a loss whether the message arrived', () => {
    const lost = new Room();
    lost.submit('hello');
    lost.say(welcome());
    expect(lost.composer.text).toBe('hello');
    const arrived = new Room();
    arrived.submit('hello');
    arrived.say(welcome({ chat_history: [said('1', 'hello', { user_id: 'me' })] }));
    expect(arrived.composer).toMatchObject({ text: '', problem: '' });
  });
});
