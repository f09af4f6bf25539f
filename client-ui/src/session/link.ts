import type { ClientMessage, ServerMessage } from '../protocol/bindings';

/** What somebody who publishes, chats or moderates needs of a room's connection, across all its reconnections. */
export interface RoomLink {
  /** Sends, where the connection is open; whether it was. */
  send(message: ClientMessage): boolean;
  /** Hears every message of the server, `current_participants` first after each (re)connection. Returns what ends it. */
  listen(listener: (message: ServerMessage) => void): () => void;
}
