import type { MediaKind, Role, ServerMessage, SessionMode, Topology } from './bindings';

/** Largest message that is looked at, in characters: the protocol's limit for what a server sends. */
const MAX_MESSAGE_CHARS = 1024 * 1024;

type FieldCheck = (value: unknown) => boolean;

const text: FieldCheck = (value) => typeof value === 'string';
const flag: FieldCheck = (value) => typeof value === 'boolean';
const count: FieldCheck = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const textOrNull: FieldCheck = (value) => value === null || typeof value === 'string';
/** What serde leaves out or writes as `null`. */
const textIfAny: FieldCheck = (value) => value === undefined || textOrNull(value);
const texts: FieldCheck = (value) => Array.isArray(value) && value.every(text);

function oneOf<T extends string>(...values: readonly T[]): FieldCheck {
  return (value) => (values as readonly unknown[]).includes(value);
}

const role = oneOf<Role>('viewer', 'guest', 'cohost', 'host');
const kind = oneOf<MediaKind>('audio', 'video');
const mode = oneOf<SessionMode>('voice', 'camera', 'studio');
const topology = oneOf<Topology>('sfu', 'mesh');

function fields(shape: Readonly<Record<string, FieldCheck>>): FieldCheck {
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(shape).every(([name, check]) => check((value as Record<string, unknown>)[name]));
}

function listOf(check: FieldCheck): FieldCheck {
  return (value) => Array.isArray(value) && value.every(check);
}

const counts: FieldCheck = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(count);

const someone = { user_id: text, username: text };
const participant = fields({ ...someone, role });
const chatMessage = fields({ ...someone, message_id: text, role, message: text, timestamp: text });

/** What each event must carry before the pages rely on it. Servers of another version may send more, or other events. */
const FIELDS: Record<ServerMessage['type'], FieldCheck> = {
  current_participants: fields({
    you: participant,
    participants: listOf(participant),
    viewer_count: count,
    mode,
    topology,
    title: text,
    started_at: textOrNull,
    resume_token: text,
    chat_history: listOf(chatMessage),
    guest_requests: listOf(fields(someone)),
    slow_mode_seconds: count,
    guest_limit: count,
    background: textOrNull,
    ice_servers: listOf(fields({ urls: texts, username: textIfAny, credential: textIfAny })),
  }),
  user_joined: fields({ ...someone, role, viewer_count: count }),
  user_left: fields({ ...someone, viewer_count: count }),
  role_changed: fields({ ...someone, role, viewer_count: count }),
  host_away: fields({ grace_seconds: count }),
  host_back: fields({}),
  chat_message: fields({ ...someone, message_id: text, role, message: text }),
  message_deleted: fields({ message_id: text, by: text }),
  messages_cleared: fields({ user_id: text, by: text }),
  slow_mode: fields({ seconds: count, by: text }),
  reaction: fields({ ...someone, reaction: text }),
  reactions: fields({ counts }),
  guest_request: fields(someone),
  guest_request_closed: fields({ user_id: text }),
  guest_approved: fields({ approved_by: text }),
  guest_rejected: fields({ rejected_by: text }),
  guest_joined: fields(someone),
  force_mute_audio: fields({ by: text }),
  force_mute_video: fields({ by: text }),
  unmute_allowed: fields({ kind, by: text }),
  kicked: fields({ by: text, reason: text }),
  promoted: fields({ new_role: role }),
  demoted: fields({ new_role: role }),
  participant_media_changed: fields({
    user_id: text,
    audio_enabled: flag,
    video_enabled: flag,
    audio_muted: flag,
    video_muted: flag,
  }),
  active_speakers: fields({ user_ids: texts }),
  connection_quality: fields({ levels: counts }),
  broadcast_started: fields(someone),
  broadcast_stopped: fields(someone),
  webrtc_signal: fields({ connection: textIfAny, from_user_id: textIfAny, signal_type: text, signal_data: fields({}) }),
  slot_assigned: fields({ mid: text, user_id: textIfAny, kind, source: text }),
  slots_wanted: fields({ audio: count, video: count }),
  background_changed: fields({ background: textIfAny }),
  session_ended: fields({ reason: text }),
  pong: fields({}),
  error: fields({ code: text, message: text, action: textIfAny, connection: textIfAny }),
};

function isServerMessage(value: unknown): value is ServerMessage {
  if (typeof value !== 'object' || value === null || !('type' in value) || typeof value.type !== 'string') {
    return false;
  }
  if (!Object.hasOwn(FIELDS, value.type)) {
    return false;
  }
  return fields({ timestamp: text })(value) && FIELDS[value.type as ServerMessage['type']](value);
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
