import { describe, expect, it } from 'vitest';
import type { ServerMessage } from '../protocol/bindings';
import { welcome } from './fixtures';
import { keepingPlace } from './kept-place';
import { Place, type PlaceStorage, RESUME_WITHIN_MS } from './resume';
import type { SignalingEvents } from './signaling';

class Tab implements PlaceStorage {
  readonly items = new Map<string, string>();
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
  removeItem(key: string): void {
    this.items.delete(key);
  }
}

describe('Place', () => {
  it('brings one back within its time, and not later', () => {
    const place = new Place('show', null);
    expect(place.token(0)).toBeNull();
    place.taken('t1');
    place.lost(1_000);
    expect(place.token(1_000 + RESUME_WITHIN_MS)).toBe('t1');
    place.lost(20_000);
    expect(place.token(1_001 + RESUME_WITHIN_MS), 'the first loss counts').toBeNull();
  });

  it('survives the page, for that session alone', () => {
    const tab = new Tab();
    const place = new Place('show', tab);
    place.taken('t1');
    place.lost(1_000);
    expect(new Place('other', tab).token(2_000)).toBeNull();
    const again = new Place('show', tab);
    expect(again.token(2_000)).toBe('t1');
    expect(again.token(1_001 + RESUME_WITHIN_MS)).toBeNull();
  });

  it('lies in no storage while it is taken: a duplicated tab would take it along', () => {
    const tab = new Tab();
    const place = new Place('show', tab);
    place.taken('t1');
    expect(tab.items.size).toBe(0);
    place.lost(1_000);
    expect(tab.items.size).toBe(1);
    expect(new Place('show', tab).token(1_000)).toBe('t1');
    expect(tab.items.size, 'read once').toBe(0);
  });

  it('is gone when it is given up', () => {
    const tab = new Tab();
    const place = new Place('show', tab);
    place.taken('t1');
    place.lost(1_000);
    place.left();
    expect(place.token(1_000)).toBeNull();
    expect(new Place('show', tab).token(1_000)).toBeNull();
  });

  it.each(['{', '7', 'null', '{"token":7,"lostAt":"x"}'])('makes nothing of %j', (stored) => {
    const tab = new Tab();
    tab.setItem('footlight:resume:show', stored);
    expect(new Place('show', tab).token(0)).toBeNull();
  });
});

describe('keepingPlace', () => {
  function connect(place: Place) {
    let events: SignalingEvents | undefined;
    const signaling = keepingPlace(
      (_, given) => {
        events = given;
        return { send: () => true, probe: () => undefined, close: () => undefined };
      },
      place,
      () => 1_000,
    )('show', { opened: () => undefined, message: () => undefined, closed: () => undefined });
    const say = (message: object) => events?.message({ ...message, timestamp: 'now' } as ServerMessage);
    return { signaling, say, closed: (why: Parameters<SignalingEvents['closed']>[0]) => events?.closed(why) };
  }

  it('keeps the place over a loss, and over a page that goes away', () => {
    const place = new Place('show', null);
    const first = connect(place);
    first.say(welcome());
    first.closed('lost');
    expect(place.token(2_000)).toBe('way-back');
    const second = connect(place);
    second.say(welcome({ resume_token: 'again' }));
    second.signaling.close();
    expect(place.token(2_000)).toBe('again');
    expect(place.token(60_000)).toBeNull();
  });

  it.each([
    ['left for good', (to: ReturnType<typeof connect>) => to.signaling.close(true)],
    ['kicked', (to: ReturnType<typeof connect>) => to.say({ type: 'kicked', by: 'Ada', reason: '' })],
    ['over', (to: ReturnType<typeof connect>) => to.say({ type: 'session_ended', reason: 'ended_by_host' })],
    ['replaced', (to: ReturnType<typeof connect>) => to.closed('replaced')],
  ])('gives it up when it is %s', (_, happen) => {
    const place = new Place('show', null);
    const connection = connect(place);
    connection.say(welcome());
    happen(connection);
    expect(place.token(1_000)).toBeNull();
  });

  it('is not disturbed by an attempt that was refused', () => {
    const place = new Place('show', null);
    connect(place).say(welcome());
    place.lost(1_000);
    connect(place).closed('refused');
    expect(place.token(2_000)).toBe('way-back');
  });
});
