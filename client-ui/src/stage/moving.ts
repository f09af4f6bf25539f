import type { Attachment } from 'svelte/attachments';
import { prefersReducedMotion } from 'svelte/motion';
import { type Rect, inversion } from './layout';

/** Long enough to see where a tile went. */
const MOVE_MS = 200;

interface Place {
  readonly rect: Rect;
  readonly stage: string;
}

const places = new WeakMap<Element, Place>();

/**
 * Lets an element glide to where it was put: First, Last, Invert, Play. Not while the stage itself changes its size, which
 * people do by hand and want to see at once.
 *
 * @param stage - names the size of the stage
 */
export function moving(rect: Rect | null, stage: string): Attachment<HTMLElement> {
  return (element) => {
    const before = places.get(element);
    if (rect === null) {
      places.delete(element);
      return;
    }
    places.set(element, { rect, stage });
    const from = before?.stage === stage ? inversion(before.rect, rect) : 'none';
    if (from !== 'none' && !prefersReducedMotion.current) {
      element.animate(
        [
          { transform: from, transformOrigin: '0 0' },
          { transform: 'none', transformOrigin: '0 0' },
        ],
        {
          duration: MOVE_MS,
          easing: 'ease-out',
        },
      );
    }
  };
}
