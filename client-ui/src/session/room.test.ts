import { describe, expect, it } from 'vitest';
import type { ServerEvent, ServerMessage } from '../protocol/bindings';
import { MAX_CHAT_LINES } from './chat';
import { said, someone, welcome } from './fixtures';
import { MAX_PEOPLE, UNKNOWN_ROOM, type Room, expectation, pictureOff, receive, sent, soundOff } from './room';

const NOW = Date.parse('2026-01-01T12:00:00.000Z');

function after(events: ServerEvent[], from: Room = UNKNOWN_ROOM, timestamp = '2026-01-01T12:00:00.000Z'): Room {
  return events.reduce((room, event) => receive(room, { ...event, timestamp } as ServerMessage, NOW), from);
}

const ada = { user_id: 'h', username: 'Ada' };
const opening = welcome();
const video: ServerEvent = { type: 'slot_assigned', mid: '1', user_id: 'h', kind: 'video', source: 'camera' };
const audio: ServerEvent = { type: 'slot_assigned', mid: '0', user_id: 'h', kind: 'audio', source: 'microphone' };
/** As the wire writes it, which the generated type does not know. */
const freed = { ...video, user_id: null } as unknown as ServerEvent;

function says(id: string, message: string, userId = 'g'): ServerEvent {
  return { type: 'chat_message', message_id: id, user_id: userId, username: 'Grace', role: 'viewer', message };
}

function media(
  userId: string,
  on: { audio: boolean; video: boolean },
  muted = { audio: false, video: false },
): ServerEvent {
  return {
    type: 'participant_media_changed',
    user_id: userId,
    audio_enabled: on.audio,
    video_enabled: on.video,
    audio_muted: muted.audio,
    video_muted: muted.video,
  };
}

describe('the session', () => {
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

  it('does not restart the clock for a second broadcaster, nor stop it with the first of two', () => {
    const second = after([
      opening,
      { type: 'broadcast_started', ...ada },
      { type: 'broadcast_started', user_id: 'g', username: 'Grace' },
    ]);
    expect(second.startedAt).toBe(NOW - 60_000);
    const one = after([{ type: 'broadcast_stopped', ...ada }], second);
    expect(one).toMatchObject({ onAir: true, startedAt: NOW - 60_000 });
    expect(after([{ type: 'broadcast_stopped', user_id: 'g', username: 'Grace' }], one).onAir).toBe(false);
  });

  it('says until when a host who is away has to be back', () => {
    const away = after([opening, { type: 'host_away', grace_seconds: 30 }]);
    expect(away.hostDueAt).toBe(NOW + 30_000);
    expect(after([{ type: 'host_back' }], away).hostDueAt).toBeNull();
  });

  it('takes an assigned slot for somebody on air', () => {
    const idle = after([welcome({ started_at: null })]);
    expect(idle.onAir).toBe(false);
    expect(after([video], idle).onAir).toBe(true);
  });

  it('follows the background picture', () => {
    const room = after([opening, { type: 'background_changed', background: '/media/b.jpg' }]);
    expect(room.background).toBe('/media/b.jpg');
    expect(after([{ type: 'background_changed' }], room).background).toBeNull();
  });

  it('forgets the slots of the connection before', () => {
    expect(after([opening, audio, opening]).slots).toEqual({});
  });

  it('maps slots to people, and frees them', () => {
    const room = after([opening, audio, video]);
    expect(room.slots).toEqual({
      0: { userId: 'h', kind: 'audio', source: 'microphone' },
      1: { userId: 'h', kind: 'video', source: 'camera' },
    });
    expect(Object.keys(after([freed], room).slots)).toEqual(['0']);
  });
});

describe('people', () => {
  it('follows them as they come and go', () => {
    const joined: ServerEvent = { type: 'user_joined', user_id: 'x', username: 'X', role: 'viewer', viewer_count: 5 };
    const room = after([opening, joined]);
    expect(room.viewers).toBe(5);
    expect(room.participants['x']?.username).toBe('X');
    const left = after([{ type: 'user_left', user_id: 'x', username: 'X', viewer_count: 4 }], room);
    expect(left.viewers).toBe(4);
    expect(left.participants['x']).toBeUndefined();
  });

  it('names a limited number of viewers, and everybody on the stage', () => {
    const crowd = Array.from({ length: MAX_PEOPLE + 50 }, (_, index): ServerEvent => {
      return { type: 'user_joined', user_id: `u${index}`, username: 'U', role: 'viewer', viewer_count: index };
    });
    const room = after([opening, ...crowd, { type: 'guest_joined', user_id: 'late', username: 'Late' }]);
    expect(Object.keys(room.participants)).toHaveLength(MAX_PEOPLE + 1);
    expect(room.participants['late']?.role).toBe('guest');
    expect(room.viewers).toBe(MAX_PEOPLE + 49);
  });

  it('cannot be confused by ids that every object has', () => {
    const room = after([opening, { type: 'user_left', user_id: 'toString', username: '', viewer_count: 4 }]);
    expect(Object.keys(room.participants)).toEqual(['h', 'v']);
    const joined = after(
      [{ type: 'user_joined', user_id: '__proto__', username: 'P', role: 'viewer', viewer_count: 5 }],
      room,
    );
    expect(joined.participants['h']?.username).toBe('Ada');
  });

  it('makes a guest of you when you are approved, and a viewer when you are demoted', () => {
    const guest = after([opening, { type: 'guest_approved', approved_by: 'Ada' }]);
    expect(guest.you?.role).toBe('guest');
    expect(guest.participants['v']?.role).toBe('guest');
    const cohost = after([{ type: 'promoted', new_role: 'cohost' }], guest);
    expect(cohost.you?.role).toBe('cohost');
    expect(after([{ type: 'demoted', new_role: 'viewer' }], cohost).you?.role).toBe('viewer');
  });

  it('names a cohost who takes over', () => {
    const events: ServerEvent[] = [
      { type: 'user_joined', user_id: 'c', username: 'Cleo', role: 'cohost', viewer_count: 4 },
      { type: 'role_changed', user_id: 'c', username: 'Cleo', role: 'host', viewer_count: 4 },
    ];
    expect(after([opening, ...events])).toMatchObject({ hostName: 'Cleo', participants: { c: { role: 'host' } } });
  });

  it('knows what is on, and does not guess what nobody said', () => {
    const room = after([opening]);
    expect(pictureOff(room.participants['h']), 'a program never says').toBe(false);
    const dark = after([media('h', { audio: true, video: false })], room);
    expect(pictureOff(dark.participants['h'])).toBe(true);
    expect(soundOff(dark.participants['h'])).toBe(false);
    const muted = after([media('h', { audio: true, video: true }, { audio: true, video: false })], room);
    expect(soundOff(muted.participants['h'])).toBe(true);
  });

  it('holds what was done to you', () => {
    const muted = after([opening, { type: 'force_mute_audio', by: 'Ada' }]);
    expect(muted.you?.audio_muted).toBe(true);
    expect(after([{ type: 'unmute_allowed', kind: 'audio', by: 'Ada' }], muted).you?.audio_muted).toBe(false);
  });

  it('changes the quality of those who are named, and of nobody else', () => {
    const room = after([opening, { type: 'connection_quality', levels: { h: 2, stranger: 4 } }]);
    expect(room.participants['h']?.connection_quality).toBe(2);
    expect(room.participants['stranger']).toBeUndefined();
  });

  it('hears nobody who has left', () => {
    const room = after([
      opening,
      { type: 'active_speakers', user_ids: ['g', 'h'] },
      { type: 'user_left', user_id: 'g', username: 'Grace', viewer_count: 3 },
    ]);
    expect(room.speakers).toEqual(['h']);
  });
});

describe('the chat', () => {
  it('opens with what was said before, each line once', () => {
    const room = after([welcome({ chat_history: [said('1', 'hello'), said('2', 'there')] }), says('2', 'there')]);
    expect(room.chat.map((line) => line.text)).toEqual(['hello', 'there']);
  });

  it('keeps the last lines', () => {
    const lines = Array.from({ length: MAX_CHAT_LINES + 20 }, (_, index) => says(`${index}`, `line ${index}`));
    const room = after([opening, ...lines]);
    expect(room.chat).toHaveLength(MAX_CHAT_LINES);
    expect(room.chat[0]?.text).toBe('line 20');
  });

  it('loses what is deleted or cleared', () => {
    const room = after([opening, says('1', 'a'), says('2', 'b'), says('3', 'c', 'x')]);
    const deleted = after([{ type: 'message_deleted', message_id: '1', by: 'Ada' }], room);
    expect(deleted.chat.map((line) => line.id)).toEqual(['2', '3']);
    const cleared = after([{ type: 'messages_cleared', user_id: 'g', by: 'Ada' }], room);
    expect(cleared.chat.map((line) => line.id)).toEqual(['3']);
  });

  it('follows slow mode', () => {
    expect(after([opening, { type: 'slow_mode', seconds: 30, by: 'Ada' }]).slowModeSeconds).toBe(30);
  });
});

describe('requests', () => {
  const host = welcome({ you: someone('h', 'Ada', 'host') });
  const grace: ServerEvent = { type: 'guest_request', user_id: 'g', username: 'Grace' };

  it('gathers them for the host, one of each person, until they are closed', () => {
    const room = after([host, grace, grace, { ...grace, user_id: 'x', username: 'Xu' }]);
    expect(room.guestRequests.map((request) => request.user_id)).toEqual(['g', 'x']);
    expect(after([{ type: 'guest_request_closed', user_id: 'g' }], room).guestRequests).toHaveLength(1);
    expect(
      after([{ type: 'user_left', user_id: 'x', username: 'Xu', viewer_count: 1 }], room).guestRequests,
    ).toHaveLength(1);
  });

  it('are no business of a cohost who is one no more', () => {
    const cohost = after([welcome({ you: someone('c', 'Cleo', 'cohost') }), grace]);
    expect(cohost.guestRequests).toHaveLength(1);
    expect(after([{ type: 'demoted', new_role: 'guest' }], cohost).guestRequests).toEqual([]);
  });

  it('of yours stands until it is answered, withdrawn or not taken', () => {
    const asked = sent(after([opening]), { action: 'request_guest' });
    expect(asked.asked).toBe(true);
    expect(sent(asked, { action: 'withdraw_request' }).asked).toBe(false);
    expect(after([{ type: 'guest_rejected', rejected_by: 'Ada' }], asked).asked).toBe(false);
    expect(after([{ type: 'guest_approved', approved_by: 'Ada' }], asked).asked).toBe(false);
    const refused: ServerEvent = { type: 'error', code: 'busy', message: 'wait', action: 'request_guest' };
    expect(after([refused], asked).asked).toBe(false);
    expect(after([opening], asked).asked, 'kept over a reconnection').toBe(true);
    expect(after([welcome({ you: someone('w', 'New', 'viewer') })], asked).asked, 'somebody else').toBe(false);
  });
});

describe('expectation', () => {
  it('is a picture, until it is known that there is none', () => {
    expect(expectation(after([opening]))).toBe('picture');
    expect(expectation(after([opening, audio]))).toBe('sound');
    expect(expectation(after([opening, audio, video]))).toBe('picture');
    expect(expectation(after([opening, audio, video, freed]))).toBe('sound');
  });

  it('does not miss what somebody turned off', () => {
    const room = after([opening, audio, video]);
    expect(expectation(after([media('h', { audio: true, video: false })], room))).toBe('sound');
    expect(expectation(after([media('h', { audio: false, video: false })], room))).toBe('nothing');
    const screen: ServerEvent = { ...video, mid: '2', source: 'screen' } as ServerEvent;
    expect(expectation(after([media('h', { audio: false, video: false }), screen], room))).toBe('picture');
  });
});
