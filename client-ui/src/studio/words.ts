import type { MediaKind, SessionMode, Topology, Visibility } from '../protocol/bindings';

/** Why sound or picture are off. Nobody's name is known where it happened before this page came in. */
export function barredWords(by: string, kind: MediaKind): string {
  const who = by === '' ? 'The host' : by;
  return kind === 'audio'
    ? `${who} muted you. You can speak again when that is lifted.`
    : `${who} turned your picture off. You can show it again when that is lifted.`;
}

/** A choice, with what it means. */
export interface Choice<T extends string> {
  readonly value: T;
  readonly label: string;
  readonly meaning: string;
}

export const MODES: readonly Choice<SessionMode>[] = [
  { value: 'camera', label: 'Camera', meaning: 'You and up to 10 guests, over a background picture of yours' },
  { value: 'studio', label: 'Studio', meaning: 'A grid of you and up to 20 guests' },
  { value: 'voice', label: 'Voice', meaning: 'Sound only, with up to 8 guests' },
];

export const VISIBILITIES: readonly Choice<Visibility>[] = [
  { value: 'public', label: 'Everybody', meaning: 'It is listed under “All streams”' },
  { value: 'unlisted', label: 'Whoever has the link', meaning: 'It is listed nowhere' },
];

export const TOPOLOGIES: readonly Choice<Topology>[] = [
  { value: 'sfu', label: 'Through the server', meaning: 'For any number of viewers' },
  { value: 'mesh', label: 'Straight between browsers', meaning: 'For up to 20 people on good networks' },
];
