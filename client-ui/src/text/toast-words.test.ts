import { describe, expect, it } from 'vitest';
import type { ServerEvent, ServerMessage } from '../protocol/bindings';
import { toastWords } from './toast-words';

const words = (event: ServerEvent, hosting = false) =>
  toastWords({ ...event, timestamp: '2026-01-01T00:00:00.000Z' } as ServerMessage, hosting);

describe('toastWords', () => {
  it('says who did what to you', () => {
    expect(words({ type: 'force_mute_audio', by: 'Ada' })).toMatch(/^Ada muted you/);
    expect(words({ type: 'force_mute_video', by: '' })).toMatch(/^The host/);
    expect(words({ type: 'guest_rejected', rejected_by: 'Ada' })).toContain('Ada');
    expect(words({ type: 'kicked', by: 'Ada', reason: '' })).toContain('Ada');
  });

  it('tells sound from picture, and up from down', () => {
    expect(words({ type: 'unmute_allowed', kind: 'audio', by: 'Ada' })).toContain('speak');
    expect(words({ type: 'unmute_allowed', kind: 'video', by: 'Ada' })).toContain('seen');
    expect(words({ type: 'promoted', new_role: 'cohost' })).toContain('cohost');
    expect(words({ type: 'demoted', new_role: 'viewer' })).toContain('viewers');
  });

  it('says how long it takes, in words that people use', () => {
    expect(words({ type: 'host_away', grace_seconds: 60 })).toContain('1 minute');
    expect(words({ type: 'slow_mode', seconds: 5, by: 'Ada' })).toContain('5 seconds');
  });

  it('leaves to the composer what the composer says, and says other errors itself', () => {
    expect(words({ type: 'error', code: 'rate_limited', message: 'too fast', action: 'chat' })).toBeNull();
    expect(words({ type: 'error', code: 'x', message: 'The stage is full.', action: 'request_guest' })).toBe(
      'The stage is full.',
    );
  });

  it('does not tell the host what the host does', () => {
    const events: ServerEvent[] = [
      { type: 'host_back' },
      { type: 'host_away', grace_seconds: 60 },
      { type: 'session_ended', reason: 'ended_by_host' },
    ];
    for (const event of events) {
      expect(words(event), event.type).not.toBeNull();
      expect(words(event, true), event.type).toBeNull();
    }
    expect(words({ type: 'session_ended', reason: 'server_shutdown' }, true)).toContain('restarting');
  });

  it('is silent about everything else', () => {
    expect(words({ type: 'pong' })).toBeNull();
    expect(words({ type: 'user_left', user_id: 'x', username: 'X', viewer_count: 1 })).toBeNull();
  });
});
