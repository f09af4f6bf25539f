/** What a key does on the watch page. */
export type ShortcutAction =
  'sound' | 'full-screen' | 'picture-in-picture' | 'statistics' | 'louder' | 'quieter' | 'help';

interface Shortcut {
  readonly action: ShortcutAction;
  /** As `KeyboardEvent.key` says them, in lower case. */
  readonly keys: readonly string[];
  readonly shown: readonly string[];
  readonly words: string;
}

/** All of them, in the order of the help. */
export const SHORTCUTS: readonly Shortcut[] = [
  { action: 'sound', keys: ['m', ' ', 'k'], shown: ['M', 'K', 'Space'], words: 'Sound on or off' },
  { action: 'louder', keys: ['arrowup'], shown: ['↑'], words: 'Louder' },
  { action: 'quieter', keys: ['arrowdown'], shown: ['↓'], words: 'Quieter' },
  { action: 'full-screen', keys: ['f'], shown: ['F'], words: 'Full screen' },
  { action: 'picture-in-picture', keys: ['p'], shown: ['P'], words: 'Picture-in-picture' },
  { action: 'statistics', keys: ['i'], shown: ['I'], words: 'Statistics' },
  { action: 'help', keys: ['?'], shown: ['?'], words: 'This help' },
];

/** The part of a key press that decides. */
export type KeyPress = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'defaultPrevented'>;

/**
 * What `press` does.
 *
 * @param focused - the tag of the element that has the focus, in upper case. What the element does with a key by itself
 *   comes first: typing in a field, pressing a button with the space bar, moving a slider with the arrows.
 */
export function shortcutFor(press: KeyPress, focused: string): ShortcutAction | null {
  if (press.defaultPrevented || press.ctrlKey || press.metaKey || press.altKey) {
    return null;
  }
  const key = press.key.toLowerCase();
  const taken =
    focused === 'TEXTAREA' ||
    focused === 'DIALOG' ||
    (focused === 'INPUT' && (key === ' ' || key.startsWith('arrow'))) ||
    ((focused === 'BUTTON' || focused === 'A') && key === ' ');
  return taken ? null : (SHORTCUTS.find((shortcut) => shortcut.keys.includes(key))?.action ?? null);
}

/**
 * What has the focus, for {@link shortcutFor}. Whatever takes letters or arrows for itself counts as a text area: fields,
 * choices, and the parts of the page that scroll by the keyboard.
 */
export function focusOf(element: Element | null): string {
  if (element === null) {
    return '';
  }
  const takesKeys = element.matches('input:not([type=range]), select') || element.closest('[data-keys=own]') !== null;
  return takesKeys ? 'TEXTAREA' : element.tagName;
}
