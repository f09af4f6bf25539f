import { describe, expect, it } from 'vitest';
import { TabTokens } from './tab-tokens';

describe('TabTokens', () => {
  it('last as long as the tab, or the page where nothing can be stored', () => {
    const stored = new Map<string, string>();
    const storage = {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
      removeItem: (key: string) => void stored.delete(key),
    };
    new TabTokens('host', storage).keep('show', 'secret');
    expect([...stored]).toEqual([['footlight:host:show', 'secret']]);
    const later = new TabTokens('host', storage);
    expect(later.get('show')).toBe('secret');
    later.forget('show');
    expect(new TabTokens('host', storage).get('show')).toBeNull();
    const nowhere = new TabTokens('host', null);
    nowhere.keep('show', 'secret');
    expect(nowhere.get('show')).toBe('secret');
  });
});
