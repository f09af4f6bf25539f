import type { SessionMode } from '../protocol/bindings';

const MODES: Record<SessionMode, string> = { voice: 'Voice', camera: 'Camera', studio: 'Studio' };

/** What a mode is called. */
export function modeWords(mode: SessionMode): string {
  return MODES[mode];
}
