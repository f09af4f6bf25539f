import type { ChatMessage, Participant, Role, ServerEvent, Welcome } from '../protocol/bindings';

/** For tests: somebody, with what a test is about in `change`. */
export function someone(userId: string, username: string, role: Role, change: Partial<Participant> = {}): Participant {
  return {
    user_id: userId,
    username,
    role,
    audio_enabled: false,
    video_enabled: false,
    audio_muted: false,
    video_muted: false,
    on_air: false,
    connection_quality: null,
    ...change,
  };
}

/** For tests: the first message of a session that Ada hosts and has put on air. */
export function welcome(change: Partial<Welcome> = {}): ServerEvent {
  const you = someone('v', 'Anonymous', 'viewer');
  return {
    type: 'current_participants',
    you,
    participants: [someone('h', 'Ada', 'host'), you],
    viewer_count: 4,
    mode: 'camera',
    topology: 'sfu',
    title: 'Rehearsal',
    started_at: '2026-01-01T11:59:00.000Z',
    resume_token: 'way-back',
    chat_history: [],
    guest_requests: [],
    slow_mode_seconds: 0,
    guest_limit: 10,
    background: null,
    ice_servers: [],
    ...change,
  };
}

/** For tests: a line of the chat. */
export function said(id: string, message: string, change: Partial<ChatMessage> = {}): ChatMessage {
  return {
    message_id: id,
    user_id: 'g',
    username: 'Grace',
    role: 'viewer',
    message,
    timestamp: '2026-01-01T12:00:00.000Z',
    ...change,
  };
}
