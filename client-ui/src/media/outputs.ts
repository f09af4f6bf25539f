import type { NamedDevice } from '../studio/devices';

/** What the system's own loudspeaker is called, which is used unasked. */
export const SYSTEMS_OWN = '';

/** An element whose sound can be sent elsewhere. */
export type Sounding = Pick<HTMLMediaElement, 'setSinkId'>;

/** What happens to loudspeakers. */
export interface OutputEvents {
  /** Some came or went. */
  changed(): void;
  /** This one has failed while it was in use, and sound already comes from the system's own. */
  lost(id: string): void;
}

/** The loudspeakers that an engine can play on. */
export interface Outputs {
  /** All that could be chosen besides the system's own; empty before they may be told. */
  list(): Promise<readonly NamedDevice[]>;
  /**
   * Sends everybody's sound to one of them, or to {@link SYSTEMS_OWN}. Rejects where that cannot be; whoever asked says where it is
   * to come from then.
   */
  use(id: string): Promise<void>;
  /** Has the system ask the person; to be called from a tap. Rejects where they choose none. Left out where it has no list to show. */
  ask?(): Promise<NamedDevice>;
  /** Tells of what happens, until the answer is called. */
  follow(events: OutputEvents): () => void;
  /** Takes charge of where an element's sound comes out; the answer lets go of it. Left out where sound comes out of no element. */
  carry?(element: Sounding): () => void;
}
