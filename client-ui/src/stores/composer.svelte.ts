import type { ServerMessage } from '../protocol/bindings';
import { MAX_CHAT_CHARS, characters, charactersLeft } from '../session/chat';
import type { RoomLink } from '../session/link';

const NOT_SENT = 'Not sent: the connection is being restored. Your message stays here; send it again in a moment.';

/** A message in the making. Its text is kept until the server has taken it. */
export class Composer {
  text = $state('');
  /** Why the last message was not taken; empty where it was. */
  problem = $state('');
  /** How many characters are left, once that matters. */
  left = $derived(charactersLeft(this.text));
  readonly #link: RoomLink;
  readonly #you: () => string | null;
  /** Sent, and neither heard back nor refused. */
  #pending: string | null = null;

  /** @param you - your id in the session */
  constructor(link: RoomLink, you: () => string | null) {
    this.#link = link;
    this.#you = you;
  }

  /** Follows the session. Returns what ends it. */
  start(): () => void {
    return this.#link.listen((message) => this.#hear(message));
  }

  /** The person goes on typing: what was said about the message before does not hold any more. */
  edited(): void {
    this.problem = '';
  }

  /** Sends what was typed. */
  submit(): void {
    const message = this.text.trim();
    if (message === '') {
      return;
    }
    if (characters(message) > MAX_CHAT_CHARS) {
      this.problem = `A message has room for ${MAX_CHAT_CHARS} characters. Shorten it, or send it in two.`;
      return;
    }
    this.#pending = message;
    this.problem = '';
    this.text = '';
    if (!this.#link.send({ action: 'chat', message })) {
      this.problem = NOT_SENT;
      this.#restore();
    }
  }

  /** The connection was lost before anything could be sent. */
  notSent(): void {
    this.problem = NOT_SENT;
  }

  #hear(message: ServerMessage): void {
    if (message.type === 'chat_message' && message.user_id === this.#you()) {
      this.#pending = null;
    } else if (message.type === 'error' && message.action === 'chat') {
      this.problem = message.message;
      this.#restore();
    } else if (message.type === 'current_participants' && this.#pending !== null) {
      // The connection broke under it: the history says whether it arrived.
      const arrived = message.chat_history.some((line) => line.message === this.#pending);
      if (!arrived) {
        this.problem = 'Your last message may not have arrived. It is back here; send it again if you like.';
        this.#restore();
      }
      this.#pending = null;
    }
  }

  #restore(): void {
    if (this.#pending !== null && this.text === '') {
      this.text = this.#pending;
    }
    this.#pending = null;
  }
}
