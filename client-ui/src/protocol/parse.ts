import type { ServerMessage } from './bindings';

/** Largest message that is looked at, in characters: the protocol's frame limit. */
const MAX_MESSAGE_CHARS = 64 * 1024;

type FieldCheck = (value: unknown) => boolean;

const text: FieldCheck = (value) => typeof value === 'string';
const count: FieldCheck = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const textOrNull: FieldCheck = (value) => value === null || typeof value === 'string';
const record: FieldCheck = (value) => typeof value === 'object' && value !== null;
const records: FieldCheck = (value) => Array.isArray(value) && value.every(record);

/** What each event must carry before the pages rely on it. Servers of another version may send more, or other events. */
const FIELDS: Record<ServerMessage['type'], Record<string, FieldCheck>> = {
  current_participants: {
    you: record,
    participants: records,
    viewer_count: count,
    title: text,
    started_at: textOrNull,
  },
  user_joined: { user_id: text, username: text, role: text, viewer_count: count },
  user_left: { user_id: text, username: text, viewer_count: count },
  broadcast_started: { user_id: text, username: text },
  broadcast_stopped: { user_id: text, username: text },
  webrtc_signal: { connection: text, signal_type: text, signal_data: record },
  slot_assigned: { mid: text, user_id: textOrNull, kind: text },
  session_ended: { reason: text },
  pong: {},
  error: { code: text, message: text },
};

function isServerMessage(value: unknown): value is ServerMessage {
  if (typeof value !== 'object' || value === null || !('type' in value) || typeof value.type !== 'string') {
    return false;
  }
  if (!Object.hasOwn(FIELDS, value.type)) {
    return false;
  }
  const fields = FIELDS[value.type as ServerMessage['type']];
  const candidate = value as Record<string, unknown>;
  return text(candidate['timestamp']) && Object.entries(fields).every(([name, check]) => check(candidate[name]));
}

/** Reads one WebSocket frame; `null` for whatever these pages do not know, which is to be ignored. */
export function parseServerMessage(frame: unknown): ServerMessage | null {
  if (typeof frame !== 'string' || frame.length > MAX_MESSAGE_CHARS) {
    return null;
  }
  try {
    const value: unknown = JSON.parse(frame);
    return isServerMessage(value) ? value : null;
  } catch {
    return null;
  }
}
