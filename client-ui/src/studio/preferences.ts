import type { Remembered } from './devices';
import { BITRATES_BPS, HEIGHTS, type Height, type Quality } from './quality';

const STORED = 'footlight.studio';

/** What a person chose last time. */
export interface Preferences {
  readonly camera: Remembered | null;
  readonly microphone: Remembered | null;
  /** `null` leaves it to what the network is. */
  readonly quality: Quality | null;
  /** Whether a camera that looks at the person is shown to them as in a mirror. */
  readonly mirror: boolean;
  /** Whether echo, noise and uneven loudness are taken out of the voice. */
  readonly cleanVoice: boolean;
}

/** What holds for somebody who has chosen nothing yet. */
export const NO_PREFERENCES: Preferences = {
  camera: null,
  microphone: null,
  quality: null,
  mirror: true,
  cleanVoice: true,
};

function remembered(value: unknown): Remembered | null {
  const { id, name } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Remembered>;
  return typeof id === 'string' && typeof name === 'string' ? { id, name } : null;
}

function quality(value: unknown): Quality | null {
  const { height, bitrateBps } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Quality>;
  if (!HEIGHTS.includes(height as Height)) {
    return null;
  }
  const known = BITRATES_BPS.some((one) => one === bitrateBps);
  return { height: height as Height, bitrateBps: known ? (bitrateBps ?? null) : null };
}

/** Reads what was stored, as far as it still makes sense. */
export function parsePreferences(stored: string | null): Preferences {
  try {
    const value = JSON.parse(stored ?? '{}') as Partial<Record<keyof Preferences, unknown>> | null;
    return {
      camera: remembered(value?.camera),
      microphone: remembered(value?.microphone),
      quality: quality(value?.quality),
      mirror: value?.mirror !== false,
      cleanVoice: value?.cleanVoice !== false,
    };
  } catch {
    return NO_PREFERENCES;
  }
}

/** What was chosen last time in this browser. */
export function recallPreferences(): Preferences {
  try {
    return parsePreferences(localStorage.getItem(STORED));
  } catch {
    // Storage can be forbidden.
    return NO_PREFERENCES;
  }
}

/** Keeps `preferences` for the next time. */
export function keepPreferences(preferences: Preferences): void {
  try {
    localStorage.setItem(STORED, JSON.stringify(preferences));
  } catch {
    // Forgotten with the page, then.
  }
}

/** What is turned off. */
export interface TurnedOff {
  readonly sound: boolean;
  readonly picture: boolean;
}

const TURNED_OFF = 'footlight.turned-off';

/** What this tab had turned off: a page that is loaded again must not be heard or seen all of a sudden. */
export function recallTurnedOff(): TurnedOff {
  try {
    const stored = JSON.parse(sessionStorage.getItem(TURNED_OFF) ?? '{}') as Partial<TurnedOff> | null;
    return { sound: stored?.sound === true, picture: stored?.picture === true };
  } catch {
    return { sound: false, picture: false };
  }
}

/** Keeps what is turned off for as long as the tab is open. */
export function keepTurnedOff(off: TurnedOff): void {
  try {
    sessionStorage.setItem(TURNED_OFF, JSON.stringify(off));
  } catch {
    // Forgotten with the page, then.
  }
}
