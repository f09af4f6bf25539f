import { describe, expect, it } from 'vitest';
import { someone, welcome } from '../session/fixtures';
import type { Participant, ServerMessage } from '../protocol/bindings';
import { UNKNOWN_ROOM, type Room, type Slot, receive } from '../session/room';
import { SELF, initials, mainTile, tilesOf } from './tiles';

function roomOf(participants: Participant[], slots: Record<string, Slot> = {}): Room {
  const message = { ...welcome({ participants }), timestamp: '2026-01-01T12:00:00.000Z' } as ServerMessage;
  return { ...receive(UNKNOWN_ROOM, message, 0), slots };
}

const camera = (userId: string): Slot => ({ userId, kind: 'video', source: 'camera' });
const screen = (userId: string): Slot => ({ userId, kind: 'video', source: 'screen' });
const onAir = { on_air: true, audio_enabled: true, video_enabled: true };
const keys = (room: Room, self = false) => tilesOf(room, self).map((tile) => tile.key);

describe('tilesOf', () => {
  it('puts yourself first, then screens, then people by their role', () => {
    const people = [
      someone('g', 'Grace', 'guest', onAir),
      someone('c', 'Cleo', 'cohost', onAir),
      someone('h', 'Ada', 'host', onAir),
    ];
    const room = roomOf(people, { 1: camera('h'), 3: screen('g') });
    expect(keys(room, true)).toEqual([SELF, 'screen:g', 'person:h', 'person:c', 'person:g']);
    expect(tilesOf(room, false).map((tile) => tile.mid)).toEqual(['3', '1', null, null]);
  });

  it('leaves out who is not on air, and shows who sends without having been named', () => {
    const room = roomOf([someone('g', 'Grace', 'guest')], { 1: camera('whip') });
    expect(tilesOf(room, false)).toMatchObject([{ key: 'person:whip', mid: '1', person: null }]);
  });

  it('shows no picture of a camera that is off, and the screen of the same person all the same', () => {
    const dark = someone('g', 'Grace', 'guest', { ...onAir, video_enabled: false });
    const room = roomOf([dark], { 1: camera('g'), 3: screen('g') });
    expect(tilesOf(room, false)).toMatchObject([
      { key: 'screen:g', mid: '3' },
      { key: 'person:g', mid: null },
    ]);
  });

  it('shows the screens of a mesh, which has no slots', () => {
    const room = roomOf([someone('h', 'Ada', 'host', onAir), someone('g', 'Grace', 'guest', onAir)]);
    expect(tilesOf(room, false, ['g', 'nobody']).map((tile) => tile.key)).toEqual(['screen:g', 'person:h', 'person:g']);
  });

  it('does not show you to yourself by way of the server', () => {
    const you = someone('v', 'Me', 'guest', onAir);
    expect(keys(roomOf([you], { 1: camera('v') }))).toEqual([]);
    expect(keys(roomOf([you], { 1: camera('v') }), true)).toEqual([SELF]);
  });
});

describe('mainTile', () => {
  const people = [someone('h', 'Ada', 'host', onAir), someone('g', 'Grace', 'guest', onAir)];
  const slots = { 1: camera('h'), 2: camera('g') };
  const main = (...[expanded, leader, more = {}]: [string | null, string | null, Record<string, Slot>?]) =>
    mainTile(tilesOf(roomOf(people, { ...slots, ...more }), true), expanded, leader)?.key;

  it('is what was made large, or else whoever has the word', () => {
    expect(main('person:h', 'person:g')).toBe('person:h');
    expect(main(null, 'person:g')).toBe('person:g');
  });

  it('is a screen before anybody has the word, or the first person', () => {
    expect(main(null, null, { 3: screen('g') })).toBe('screen:g');
    expect(main(null, 'person:gone')).toBe('person:h');
  });

  it('is never your own', () => {
    expect(main(SELF, null)).toBe('person:h');
    expect(mainTile(tilesOf(roomOf([]), true), SELF, null)).toBeUndefined();
  });
});

describe('initials', () => {
  it.each([
    ['Ada Lovelace', 'AL'],
    ['grace', 'G'],
    ['Jean-Luc van der Berg', 'JB'],
    ['  ', ''],
    ['👩‍🚀 Sally', '👩‍🚀S'],
    ['李 小龙', '李小'],
  ])('of %j are %j', (name, letters) => {
    expect(initials(name)).toBe(letters);
  });
});
