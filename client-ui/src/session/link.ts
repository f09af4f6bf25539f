import type { ClientMessage, ServerMessage } from '../protocol/bindings';

/** What somebody who publishes, chats or moderates needs of a room's connection, across all its reconnections. */
export interface RoomLink {
  /** Sends, where the connection is open; whether it was. */
  send(message: ClientMessage): boolean;
  /** Hears every message of the server, `current_participants` first after each (re)connection. Returns what ends it. */
  listen(listener: (message: ServerMessage) => void): () => void;
}

/** The same for somebody who sends media there. */
export interface StageLink extends RoomLink {
  /** The video codecs that others send, in upper case as in SDP; none where that is not told. */
  videoCodecsOnAir(): Promise<string[]>;
}
