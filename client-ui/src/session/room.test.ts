import { describe, expect, it } from 'vitest';
import type { ServerEvent, ServerMessage } from '../protocol/bindings';
import { UNKNOWN_ROOM, type Room, expectsPicture, receive } from './room';

const NOW = Date.parse('2026-01-01T12:00:00.000Z');

function after(events: ServerEvent[], from: Room = UNKNOWN_ROOM, timestamp = '2026-01-01T12:00:00.000Z'): Room {
  return events.reduce((room, event) => receive(room, { ...event, timestamp } as ServerMessage, NOW), from);
}

const ada = { user_id: 'h', username: 'Ada' };
const opening: ServerEvent = {
  type: 'current_participants',
  you: { user_id: 'v', username: 'Anonymous', role: 'viewer' },
  participants: [{ ...ada, role: 'host' }],
  viewer_count: 4,
  mode: 'camera',
  title: 'Rehearsal',
  started_at: '2026-01-01T11:59:00.000Z',
};
const video: ServerEvent = { type: 'slot_assigned', mid: '1', user_id: 'h', kind: 'video', source: 'camera' };
const audio: ServerEvent = { type: 'slot_assigned', mid: '0', user_id: 'h', kind: 'audio', source: 'microphone' };

describe('room', () => {
  it('opens with title, host, viewers and the time on air', () => {
    expect(after([opening])).toMatchObject({
      title: 'Rehearsal',
      hostName: 'Ada',
      viewers: 4,
      onAir: true,
      startedAt: NOW - 60_000,
    });
  });

  it('measures how far the clocks are apart', () => {
    expect(after([opening], UNKNOWN_ROOM, '2026-01-01T12:00:05.000Z').clockAheadMs).toBe(5_000);
  });

  it('keeps host and title while the host is away, and counts the time on air anew', () => {
    const away = after([opening, video, { type: 'broadcast_stopped', ...ada }]);
    expect(away).toMatchObject({ title: 'Rehearsal', hostName: 'Ada', onAir: false, startedAt: null });
    expect(after([{ type: 'broadcast_started', ...ada }], away)).toMatchObject({ onAir: true, startedAt: NOW });
  });

  it('does not restart the clock for a second broadcaster', () => {
    const second = after([opening, { type: 'broadcast_started', user_id: 'g', username: 'Grace' }]);
    expect(second.startedAt).toBe(NOW - 60_000);
  });

  it('follows viewers as they come and go', () => {
    const joined: ServerEvent = { type: 'user_joined', user_id: 'x', username: 'X', role: 'viewer', viewer_count: 5 };
    expect(after([opening, joined]).viewers).toBe(5);
    expect(after([opening, joined, { type: 'user_left', user_id: 'x', username: 'X', viewer_count: 4 }]).viewers).toBe(
      4,
    );
  });

  it('takes an assigned slot for somebody on air', () => {
    const idle = after([{ ...opening, started_at: null }]);
    expect(idle.onAir).toBe(false);
    expect(after([video], idle).onAir).toBe(true);
  });

  it('expects no picture from sound alone', () => {
    expect(expectsPicture(after([opening]))).toBe(true);
    expect(expectsPicture(after([opening, audio]))).toBe(false);
    expect(expectsPicture(after([opening, audio, video]))).toBe(true);
    expect(expectsPicture(after([opening, audio, video, { ...video, user_id: null }]))).toBe(false);
  });

  it('forgets the slots of the connection before', () => {
    expect(after([opening, audio, opening]).slots).toEqual({});
  });
});
