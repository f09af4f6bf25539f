import { describe, expect, it } from 'vitest';
import { type Rect, inversion, layout } from './layout';

const SIZES: [string, number, number][] = [
  ['a phone upright', 360, 480],
  ['a phone on its side', 740, 360],
  ['a laptop', 940, 620],
  ['a wide screen', 3300, 1900],
];
const COUNTS = Array.from({ length: 21 }, (_, index) => index + 1);

function overlap(a: Rect, b: Rect): boolean {
  const e = 0.01;
  return a.x + a.width > b.x + e && b.x + b.width > a.x + e && a.y + a.height > b.y + e && b.y + b.height > a.y + e;
}

function check(rects: readonly Rect[], width: number, height: number, where: string): void {
  for (const [index, rect] of rects.entries()) {
    expect(rect.width, where).toBeGreaterThan(0);
    expect(rect.x, where).toBeGreaterThanOrEqual(-0.01);
    expect(rect.y, where).toBeGreaterThanOrEqual(-0.01);
    expect(rect.x + rect.width, where).toBeLessThanOrEqual(width + 0.01);
    expect(rect.y + rect.height, where).toBeLessThanOrEqual(height + 0.01);
    expect(
      rects.slice(index + 1).some((other) => overlap(rect, other)),
      where,
    ).toBe(false);
  }
}

describe.each(SIZES)('layout on %s', (_, width, height) => {
  it.each(COUNTS)('places %i tiles side by side', (count) => {
    const rects = layout(count, 0, width, height);
    expect(rects).toHaveLength(count);
    check(rects, width, height, `${count} tiles`);
  });

  it('makes equals of equals, neither too wide nor too narrow', () => {
    for (const count of COUNTS.slice(1)) {
      const rects = layout(count, 0, width, height);
      expect(new Set(rects.map((rect) => `${rect.width} ${rect.height}`)).size).toBe(1);
      const ratio = (rects[0]?.width ?? 0) / (rects[0]?.height ?? 1);
      expect(ratio).toBeGreaterThanOrEqual(0.99);
      expect(ratio).toBeLessThanOrEqual(1.78);
    }
  });

  it('uses the stage well', () => {
    for (const count of COUNTS) {
      const used = layout(count, 0, width, height).reduce((sum, rect) => sum + rect.width * rect.height, 0);
      expect(used / (width * height), `${count} tiles`).toBeGreaterThan(0.5);
    }
  });

  it('shows a screen larger than everybody beside it', () => {
    for (const count of COUNTS.slice(1)) {
      const [screen, ...others] = layout(count, 1, width, height);
      check([screen as Rect, ...others], width, height, `${count} tiles`);
      const area = (rect: Rect | undefined) => (rect?.width ?? 0) * (rect?.height ?? 0);
      expect(Math.max(...others.map(area))).toBeLessThan(area(screen) / 2);
    }
  });
});

describe('layout', () => {
  it('gives the whole stage to somebody alone', () => {
    expect(layout(1, 0, 800, 300)).toEqual([{ x: 0, y: 0, width: 800, height: 300 }]);
    expect(layout(1, 1, 800, 300)).toEqual([{ x: 0, y: 0, width: 800, height: 300 }]);
  });

  it('has room for several screens', () => {
    const rects = layout(6, 2, 1200, 700);
    check(rects, 1200, 700, 'two screens');
    expect(rects).toHaveLength(6);
    expect(rects[0]?.width).toBe(rects[1]?.width);
  });

  it('survives a stage without size, and none to place', () => {
    expect(layout(0, 0, 800, 300)).toEqual([]);
    for (const rect of layout(21, 1, 0, 0)) {
      expect(Object.values(rect).every(Number.isFinite)).toBe(true);
    }
  });
});

describe('inversion', () => {
  const at = (x: number, width: number): Rect => ({ x, y: 10, width, height: 50 });

  it('puts a tile back to where it was', () => {
    expect(inversion(at(0, 200), at(100, 100))).toBe('translate(-100px, 0px) scale(2, 1)');
  });

  it('leaves alone what has not moved, or has no size to be scaled', () => {
    expect(inversion(at(0, 200), at(0.2, 200))).toBe('none');
    expect(inversion(at(0, 0), at(5, 200))).toBe('none');
    expect(inversion(at(0, 200), at(5, 0))).toBe('none');
  });
});
