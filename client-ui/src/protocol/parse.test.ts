import { describe, expect, it } from 'vitest';
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
    ['a binary frame', new ArrayBuffer(4)],
    ['an oversized frame', JSON.stringify({ type: 'pong', timestamp, pad: 'x'.repeat(70_000) })],
  ])('ignores %s', (_, frame) => {
    expect(parseServerMessage(frame)).toBeNull();
  });
});
