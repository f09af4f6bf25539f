import type { ServerMessage } from '../protocol/bindings';

/** What the server has told about a session. */
export interface Room {
  readonly title: string;
  /** Who is on air, or was last; empty while nobody was. */
  readonly hostName: string;
  readonly viewers: number;
  /** On the server's clock, in milliseconds since 1970; `null` while nobody is on air. */
  readonly startedAt: number | null;
  /** How far the server's clock is ahead of ours, in milliseconds, the way of the message included. */
  readonly clockAheadMs: number;
  readonly onAir: boolean;
  /** Slots that carry somebody, by their mid. */
  readonly slots: Readonly<Record<string, 'audio' | 'video'>>;
}

/** A session of which nothing is known yet. */
export const UNKNOWN_ROOM: Room = {
  title: '',
  hostName: '',
  viewers: 0,
  startedAt: null,
  clockAheadMs: 0,
  onAir: false,
  slots: {},
};

/** A time stamp in milliseconds, or `otherwise` where it cannot be read. */
function instant(rfc3339: string, otherwise: number): number {
  const at = Date.parse(rfc3339);
  return Number.isNaN(at) ? otherwise : at;
}

function without(slots: Room['slots'], mid: string): Room['slots'] {
  return Object.fromEntries(Object.entries(slots).filter(([key]) => key !== mid));
}

/**
 * The session after `message`.
 *
 * @param now - our clock, in milliseconds since 1970
 */
export function receive(room: Room, message: ServerMessage, now: number): Room {
  switch (message.type) {
    case 'current_participants': {
      const host = message.participants.find((participant) => participant.role === 'host');
      return {
        title: message.title,
        hostName: host?.username ?? room.hostName,
        viewers: message.viewer_count,
        startedAt: message.started_at === null ? null : instant(message.started_at, now),
        clockAheadMs: instant(message.timestamp, now) - now,
        onAir: message.started_at !== null,
        // Slots belong to a connection, and this message opens a new one.
        slots: {},
      };
    }
    case 'user_joined':
      return {
        ...room,
        viewers: message.viewer_count,
        hostName: message.role === 'host' ? message.username : room.hostName,
      };
    case 'user_left':
      return { ...room, viewers: message.viewer_count };
    case 'broadcast_started':
      return {
        ...room,
        onAir: true,
        hostName: message.username,
        startedAt: room.startedAt ?? instant(message.timestamp, now),
      };
    case 'broadcast_stopped':
      return { ...room, onAir: false, startedAt: null };
    case 'slot_assigned':
      return message.user_id === null
        ? { ...room, slots: without(room.slots, message.mid) }
        : { ...room, onAir: true, slots: { ...room.slots, [message.mid]: message.kind } };
    case 'session_ended':
      return { ...room, onAir: false, slots: {} };
    case 'webrtc_signal':
    case 'pong':
    case 'error':
      return room;
  }
}

/** Whether a picture is to be expected; sound alone makes a session live as well. */
export function expectsPicture(room: Room): boolean {
  const kinds = Object.values(room.slots);
  return kinds.length === 0 || kinds.includes('video');
}
