import { describe, expect, it } from 'vitest';
import { Navigation, type NavigationView } from './navigation.svelte';

/** A tab with its history, where a step through it is done when `settle` is called, as in browsers. */
class Tab {
  readonly entries: { state: unknown; path: string }[] = [{ state: null, path: '/' }];
  at = 0;
  #steps: number[] = [];
  #popped: () => void = () => undefined;

  /** The reader's own buttons. */
  press(steps: number): void {
    this.at += steps;
    this.#popped();
    this.settle();
  }

  /** Changes what stands behind `#`: another entry, of the same path and without a state. */
  jump(): void {
    this.entries.splice(this.at + 1, Infinity, { state: null, path: this.path });
    this.press(1);
  }

  settle(): void {
    for (const steps of this.#steps.splice(0)) {
      this.press(steps);
    }
  }

  get path(): string {
    return this.entries[this.at]?.path ?? '';
  }

  get view(): NavigationView {
    const entry = () => this.entries[this.at] ?? { state: null, path: '' };
    return {
      history: {
        get state() {
          return entry().state;
        },
        pushState: (state: unknown, _: string, path?: string | URL | null) => {
          this.entries.splice(this.at + 1, Infinity, { state, path: String(path) });
          this.at += 1;
        },
        replaceState: (state: unknown, _: string, path?: string | URL | null) =>
          void (this.entries[this.at] = { state, path: String(path) }),
        go: (steps = 0) => void this.#steps.push(steps),
      },
      location: {
        get pathname() {
          return entry().path;
        },
        origin: 'https://a',
      },
      document: { addEventListener: () => undefined },
      addEventListener: (_: 'popstate', listener: () => void) => (this.#popped = listener),
      scrollTo: () => undefined,
    };
  }
}

function live() {
  const tab = new Tab();
  const navigation = new Navigation(tab.view);
  navigation.go('/live');
  navigation.go('/stream');
  const asked: (() => void)[] = [];
  const end = navigation.guard((leave) => asked.push(leave));
  return { tab, navigation, asked, end };
}

describe('Navigation', () => {
  it('follows links and the browser’s buttons', () => {
    const { tab, navigation, end } = live();
    end();
    expect(navigation.route.page).toBe('stream');
    tab.press(-1);
    expect(navigation.route.page).toBe('live');
    tab.press(1);
    expect(navigation.route.page).toBe('stream');
    navigation.go('/');
    expect(tab.path).toBe('/');
  });

  it('begins a page anew that is gone to from itself', () => {
    const { navigation, end } = live();
    end();
    const before = navigation.route;
    navigation.go('/stream');
    expect(navigation.route).toEqual(before);
    expect(navigation.route).not.toBe(before);
  });

  it('leaves a page alone whose address changes around it', () => {
    const { tab, navigation, end } = live();
    end();
    const before = navigation.route;
    navigation.readdress('/stream/show');
    expect(tab.path).toBe('/stream/show');
    tab.jump();
    expect(navigation.route).toBe(before);
    navigation.go('/');
    tab.press(-1);
    expect(navigation.route).toEqual({ page: 'stream', sessionId: 'show' });
  });

  it('asks a guard before a link is followed', () => {
    const { tab, navigation, asked } = live();
    navigation.go('/');
    expect([tab.path, navigation.route.page]).toEqual(['/stream', 'stream']);
    asked[0]?.();
    expect([tab.path, navigation.route.page]).toEqual(['/', 'home']);
  });

  it.each([-1, -2])('asks a guard before %i through the history, and stays meanwhile', (steps) => {
    const { tab, navigation, asked } = live();
    const there = tab.entries[tab.at + steps]?.path;
    tab.press(steps);
    expect([tab.path, navigation.route.page]).toEqual(['/stream', 'stream']);
    expect(asked).toHaveLength(1);
    asked[0]?.();
    tab.settle();
    expect(tab.path).toBe(there);
    expect(navigation.route.page).not.toBe('stream');
  });

  it('asks again whoever stayed and changes their mind', () => {
    const { tab, navigation, asked } = live();
    tab.press(-1);
    tab.press(-1);
    expect(asked).toHaveLength(2);
    expect(navigation.route.page).toBe('stream');
  });

  it('asks before what ends the page otherwise, and again where that came to nothing', () => {
    const { tab, navigation, asked, end } = live();
    let done = 0;
    navigation.ask(() => (done += 1));
    expect([done, asked.length]).toEqual([0, 1]);
    asked[0]?.();
    expect([done, tab.path]).toEqual([1, '/stream']);
    navigation.go('/');
    expect([asked.length, tab.path]).toEqual([2, '/stream']);
    end();
    navigation.ask(() => (done += 1));
    expect([done, asked.length]).toEqual([2, 2]);
  });

  it('does not ask for a guard that has ended, nor twice', () => {
    const { tab, navigation, asked, end } = live();
    navigation.go('/');
    asked[0]?.();
    tab.press(-1);
    expect(navigation.route.page).toBe('stream');
    end();
    tab.press(-1);
    expect(asked).toHaveLength(1);
  });
});
