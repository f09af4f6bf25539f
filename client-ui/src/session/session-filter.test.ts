import { describe, expect, it } from 'vitest';
import type { SessionSummary } from '../protocol/bindings';
import { EVERYTHING, matches } from './session-filter';

const session: SessionSummary = {
  session_id: 'show',
  title: 'Évening show: Ängste',
  mode: 'studio',
  topology: 'sfu',
  viewer_count: 2,
  started_at: '2026-01-01T00:00:00.000Z',
  broadcasters: [{ user_id: 'h', username: 'Ada Lovelace' }],
};
const found = (text: string) => matches(session, { ...EVERYTHING, text });

describe('matches', () => {
  it('finds everything with nothing asked', () => {
    expect(matches(session, EVERYTHING)).toBe(true);
    expect(found('   ')).toBe(true);
  });

  it.each(['evening', 'ÉVENING', 'show even', 'ada', 'lovelace show', 'angste'])('finds it by %j', (text) => {
    expect(found(text)).toBe(true);
  });

  it.each(['morning', 'evening morning', 'showada'])('does not find it by %j', (text) => {
    expect(found(text)).toBe(false);
  });

  it('goes by the mode', () => {
    expect(matches(session, { mode: 'studio', text: '' })).toBe(true);
    expect(matches(session, { mode: 'voice', text: 'ada' })).toBe(false);
  });
});
