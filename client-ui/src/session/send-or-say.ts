import type { ClientMessage } from '../protocol/bindings';
import type { RoomLink } from './link';

/** Said to whoever pressed something that had to go over the connection while it was away. */
export const NOT_SENT = 'Not sent: the connection is being restored. Try again in a moment.';

/** Sends, and says so where the connection is away; whether it was sent. */
export type Send = (message: ClientMessage) => boolean;

/** What a person does in the room is either done or said not to be. */
export function sendOrSay(link: RoomLink, say: (words: string) => void): Send {
  return (message) => {
    const sent = link.send(message);
    if (!sent) {
      say(NOT_SENT);
    }
    return sent;
  };
}
