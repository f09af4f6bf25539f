import { describe, expect, it } from 'vitest';
import { said, welcome } from '../session/fixtures';
import { parseServerMessage } from './parse';

const timestamp = '2026-01-01T00:00:00.000Z';

describe('parseServerMessage', () => {
  it('reads an event with its time stamp', () => {
    const joined = { type: 'user_joined', user_id: 'u', username: 'Ada', role: 'viewer', viewer_count: 3, timestamp };
    expect(parseServerMessage(JSON.stringify(joined))).toEqual(joined);
  });

  it('keeps fields that a newer server added', () => {
    expect(parseServerMessage(JSON.stringify({ type: 'pong', timestamp, load: 0.5 }))).not.toBeNull();
  });

  it('takes what the wire writes as null for what it leaves out', () => {
    const freed = { type: 'slot_assigned', mid: '1', user_id: null, kind: 'video', source: 'camera', timestamp };
    expect(parseServerMessage(JSON.stringify(freed))).not.toBeNull();
    expect(parseServerMessage(JSON.stringify({ type: 'background_changed', timestamp }))).not.toBeNull();
  });

  it('reads a welcome with the longest history that there can be', () => {
    const long = Array.from({ length: 200 }, (_, index) => said(`${index}`, '😀'.repeat(500)));
    const frame = JSON.stringify({ ...welcome({ chat_history: long }), timestamp });
    expect(parseServerMessage(frame)).not.toBeNull();
  });

  it.each([
    ['a participant without a name', { participants: [{ user_id: 'x', role: 'host' }] }],
    ['a role that is none', { participants: [{ user_id: 'x', username: 'X', role: 'king' }] }],
    ['a history of something else', { chat_history: ['hello'] }],
    ['a mode that is none', { mode: 'opera' }],
  ])('ignores a welcome with %s', (_, change) => {
    expect(parseServerMessage(JSON.stringify({ ...welcome(), ...change, timestamp }))).toBeNull();
  });

  it.each([
    ['not JSON', '{'],
    ['not an object', '7'],
    ['null', 'null'],
    ['an unknown event', JSON.stringify({ type: 'fly', timestamp })],
    ['a name from the prototype', JSON.stringify({ type: 'toString', timestamp })],
    ['no time stamp', JSON.stringify({ type: 'pong' })],
    ['a missing field', JSON.stringify({ type: 'user_left', user_id: 'u', timestamp })],
    [
      'a negative count',
      JSON.stringify({ type: 'user_left', user_id: 'u', username: 'A', viewer_count: -1, timestamp }),
    ],
    ['counts that are none', JSON.stringify({ type: 'connection_quality', levels: { x: 'good' }, timestamp })],
    ['speakers that are none', JSON.stringify({ type: 'active_speakers', user_ids: [7], timestamp })],
    ['a binary frame', new ArrayBuffer(4)],
    ['an oversized frame', JSON.stringify({ type: 'pong', timestamp, pad: 'x'.repeat(1_100_000) })],
  ])('ignores %s', (_, frame) => {
    expect(parseServerMessage(frame)).toBeNull();
  });
});
