import type { Participant, ParticipantAction } from '../protocol/bindings';
import { moderates } from './room';

/** What a host or cohost does to somebody, as the pages offer it. */
export interface Measure {
  readonly action: ParticipantAction;
  readonly label: string;
  /** Whether it is asked about first: what cannot be taken back. */
  readonly grave: boolean;
}

type Me = Pick<Participant, 'user_id' | 'role'>;

/**
 * What `you` may do to `target`, in the order of the menu. Nobody acts on the host, and nobody on oneself; the server
 * holds the rules, this only leaves out what it would refuse.
 */
export function measures(you: Me | null, target: Participant): readonly Measure[] {
  if (you === null || !moderates(you.role) || target.role === 'host' || target.user_id === you.user_id) {
    return [];
  }
  const list: Measure[] = [];
  const offer = (action: ParticipantAction, label: string, grave = false) => list.push({ action, label, grave });
  if (target.role !== 'viewer') {
    if (target.audio_muted) {
      offer('unmute_audio', 'Allow sound');
    } else {
      offer('mute_audio', 'Mute sound');
    }
    if (target.video_muted) {
      offer('unmute_video', 'Allow picture');
    } else {
      offer('mute_video', 'Turn off picture');
    }
  }
  if (target.role === 'viewer') {
    offer('promote', 'Bring on stage');
  } else if (target.role === 'guest') {
    offer('promote', 'Make cohost');
    offer('demote', 'Take off the stage');
  } else {
    offer('demote', 'Make guest');
  }
  offer('kick', 'Remove…', true);
  offer('ban', 'Ban…', true);
  return list;
}
