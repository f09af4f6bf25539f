import type { Role, ServerMessage } from '../protocol/bindings';
import { duration } from './format';

const PROMOTED: Record<Role, string> = {
  viewer: 'You are a viewer now.',
  guest: 'You may come on the stage.',
  cohost: 'You are a cohost now: you can moderate, and take over if the host leaves.',
  host: 'You are the host now.',
};

/** Errors of these actions are told where they were made, or mean nothing to a person. */
const TOLD_ELSEWHERE: ReadonlySet<string> = new Set([
  'chat',
  'webrtc_signal',
  'ping',
  'keep_alive',
  'update_media_status',
]);

/** Reactions are thrown in passing; that one of many was not taken is not worth a word. */
const PASSED_OVER = 'reaction';

function named(by: string): string {
  return by === '' ? 'The host' : by;
}

/**
 * What is said to a person about something that happened to them; `null` for all else.
 *
 * @param hosting - whether this person is the host, who need not be told what they do themselves
 */
export function toastWords(message: ServerMessage, hosting = false): string | null {
  switch (message.type) {
    case 'force_mute_audio':
      return `${named(message.by)} muted you. Nobody hears you until that is lifted.`;
    case 'force_mute_video':
      return `${named(message.by)} turned off your picture. Nobody sees you until that is lifted.`;
    case 'unmute_allowed':
      return message.kind === 'audio'
        ? `${named(message.by)} lets you speak again. Your microphone stays as you left it.`
        : `${named(message.by)} lets you be seen again. Your camera stays as you left it.`;
    case 'promoted':
      return PROMOTED[message.new_role];
    case 'demoted':
      return message.new_role === 'viewer' ? 'You are back among the viewers.' : 'You are a guest now.';
    case 'guest_approved':
      return `${named(message.approved_by)} invites you on the stage.`;
    case 'guest_rejected':
      return `${named(message.rejected_by)} did not accept your request this time.`;
    case 'guest_request':
      return `${message.username} asks to come on the stage.`;
    case 'host_away':
      return hosting ? null : `The host is away. The stream waits ${duration(message.grace_seconds)} for them.`;
    case 'host_back':
      return hosting ? null : 'The host is back.';
    case 'slow_mode':
      return message.seconds === 0
        ? 'Slow mode is off.'
        : `Slow mode: one chat message every ${duration(message.seconds)}.`;
    case 'kicked':
      return `${named(message.by)} removed you from this stream.`;
    case 'session_ended':
      return message.reason === 'server_shutdown'
        ? 'The server is restarting. The stream goes on soon.'
        : hosting
          ? null
          : 'The stream has ended.';
    case 'error':
      return TOLD_ELSEWHERE.has(message.action ?? '') || message.action === PASSED_OVER ? null : message.message;
    default:
      return null;
  }
}
