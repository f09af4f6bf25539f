import { expect, it } from 'vitest';
import type { ServerMessage } from '../protocol/bindings';
import { welcome } from '../session/fixtures';
import { FIRST_FACTS, type Facts, type Phase, phaseOf } from '../session/phase';
import { BLOCKED } from '../session/refusal';
import { UNKNOWN_ROOM, receive } from '../session/room';
import { Watch } from './watch.svelte';

/** Somebody who was in the room, and what became of them. */
function inside(change: Partial<Facts>): Watch {
  const watch = new Watch('show');
  const entered = { ...welcome({}), timestamp: new Date().toISOString() } as ServerMessage;
  watch.room = receive(UNKNOWN_ROOM, entered, Date.now());
  watch.facts = { ...FIRST_FACTS, ...change };
  watch.phase = phaseOf(watch.facts);
  return watch;
}

// What a person on the stage can turn their devices off with is shown while they are present, and the devices are let go after.
it.each<[Phase, Partial<Facts>, boolean]>([
  ['waiting', { link: 'open' }, true],
  ['reconnecting', { link: 'down', lost: true }, true],
  ['refused', { link: 'refused', refusal: BLOCKED }, true],
  ['refused', { link: 'refused', refusal: { code: 'token_expired', message: '' } }, false],
  ['replaced', { link: 'replaced' }, false],
  ['expelled', { link: 'expelled' }, false],
  ['ended', { link: 'ended' }, false],
])('is present while the way back is open, and not after: %s, %o', (phase, change, present) => {
  const watch = inside(change);
  expect([watch.phase, watch.present]).toEqual([phase, present]);
});
