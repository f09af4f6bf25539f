import { describe, expect, it } from 'vitest';
import type { SessionStats, SlotStats } from '../protocol/bindings';
import { someone } from './fixtures';
import { type Person, type Room, UNKNOWN_ROOM } from './room';
import { roomFigures } from './room-figures';

const person = (...who: Parameters<typeof someone>): Person => ({ ...someone(...who), mediaKnown: true });

const ADA = person('h', 'Ada', 'host', { connection_quality: 4 });
const GRACE = person('g', 'Grace', 'guest', { connection_quality: 1 });
const YOU = person('v', 'Anonymous', 'viewer');

const room: Room = { ...UNKNOWN_ROOM, you: YOU, participants: { h: ADA, g: GRACE, v: YOU }, speakers: ['g'] };

function slot(userId: string, height: number | null, change: Partial<SlotStats> = {}): SlotStats {
  return { mid: '0', user_id: userId, kind: 'video', source: 'camera', rid: 'h', height, left_out: false, ...change };
}

function stats(slots: SlotStats[]): SessionStats {
  const viewer = { user_id: 'v', estimate_bps: 900_000, loss: null, round_trip_ms: null, slots };
  const other = { ...viewer, user_id: 'w', estimate_bps: 1, slots: [slot('h', 1080)] };
  return { session_id: 's', viewer_count: 2, participants: 4, tracks: [], viewers: [other, viewer] };
}

describe('the figures of a room', () => {
  it('tells of those on the stage how they are connected, who speaks, and which layer of them comes', () => {
    const figures = roomFigures(room, stats([slot('h', 360), slot('g', null, { kind: 'audio' })]));
    expect(figures.estimateBps).toBe(900_000);
    expect(figures.people).toEqual([
      { userId: 'h', username: 'Ada', quality: 4, speaking: false, lines: 360 },
      { userId: 'g', username: 'Grace', quality: 1, speaking: true, lines: null },
    ]);
  });

  it('takes the larger of two pictures, and none that was left out', () => {
    const slots = [slot('h', 360), slot('h', 720, { source: 'screen' }), slot('g', 180, { left_out: true })];
    expect(roomFigures(room, stats(slots)).people.map(({ lines }) => lines)).toEqual([720, null]);
  });

  it('knows no layers where the server cannot be asked', () => {
    const figures = roomFigures(room, null);
    expect(figures.estimateBps).toBeNull();
    expect(figures.people.map(({ quality, lines }) => [quality, lines])).toEqual([
      [4, null],
      [1, null],
    ]);
  });
});
