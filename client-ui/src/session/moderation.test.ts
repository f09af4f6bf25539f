import { describe, expect, it } from 'vitest';
import type { Role } from '../protocol/bindings';
import { someone } from './fixtures';
import { measures } from './moderation';

const ROLES: Role[] = ['viewer', 'guest', 'cohost', 'host'];
const actions = (role: Role, target: ReturnType<typeof someone>) =>
  measures(someone('me', 'Me', role), target).map((measure) => measure.action);

describe('measures', () => {
  it.each(ROLES)('leave the host alone, also before a %s', (role) => {
    expect(actions(role, someone('h', 'Ada', 'host'))).toEqual([]);
  });

  it.each(['viewer', 'guest'] as const)('are not for a %s', (role) => {
    expect(ROLES.flatMap((target) => actions(role, someone('x', 'X', target)))).toEqual([]);
  });

  it('are not against oneself, nor before one is in', () => {
    expect(actions('cohost', someone('me', 'Me', 'cohost'))).toEqual([]);
    expect(measures(null, someone('x', 'X', 'viewer'))).toEqual([]);
  });

  it('fit what somebody is', () => {
    expect(actions('host', someone('x', 'X', 'viewer'))).toEqual(['promote', 'kick', 'ban']);
    expect(actions('cohost', someone('x', 'X', 'guest'))).toEqual([
      'mute_audio',
      'mute_video',
      'promote',
      'demote',
      'kick',
      'ban',
    ]);
    expect(actions('host', someone('x', 'X', 'cohost'))).not.toContain('promote');
  });

  it('take back what was done', () => {
    const muted = someone('x', 'X', 'guest', { audio_muted: true, video_muted: true });
    expect(actions('host', muted)).toEqual(expect.arrayContaining(['unmute_audio', 'unmute_video']));
    expect(actions('host', muted)).not.toContain('mute_audio');
  });

  it('ask before what cannot be taken back, and only then', () => {
    const grave = measures(someone('me', 'Me', 'host'), someone('x', 'X', 'guest')).filter((measure) => measure.grave);
    expect(grave.map((measure) => measure.action)).toEqual(['kick', 'ban']);
  });
});
