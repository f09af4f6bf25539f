import { describe, expect, it } from 'vitest';
import { SHORTCUTS, shortcutFor } from './shortcuts';

const press = (key: string) => ({ key, ctrlKey: false, metaKey: false, altKey: false, defaultPrevented: false });

describe('shortcutFor', () => {
  it.each([
    ['m', 'sound'],
    ['M', 'sound'],
    [' ', 'sound'],
    ['k', 'sound'],
    ['f', 'full-screen'],
    ['i', 'statistics'],
    ['?', 'help'],
    ['ArrowUp', 'louder'],
    ['x', null],
  ])('%j', (key, action) => {
    expect(shortcutFor(press(key), 'BODY')).toBe(action);
  });

  it('leaves a key to the element that uses it', () => {
    expect(shortcutFor(press(' '), 'BUTTON')).toBeNull();
    expect(shortcutFor(press('m'), 'BUTTON')).toBe('sound');
    expect(shortcutFor(press('ArrowUp'), 'INPUT')).toBeNull();
    expect(shortcutFor(press('m'), 'INPUT')).toBe('sound');
    expect(shortcutFor(press('m'), 'TEXTAREA')).toBeNull();
  });

  it("leaves the browser's own combinations alone", () => {
    expect(shortcutFor({ ...press('f'), ctrlKey: true }, 'BODY')).toBeNull();
    expect(shortcutFor({ ...press('m'), metaKey: true }, 'BODY')).toBeNull();
  });

  it('gives each key one meaning', () => {
    const keys = SHORTCUTS.flatMap((shortcut) => shortcut.keys);
    expect(new Set(keys).size).toBe(keys.length);
  });
});
