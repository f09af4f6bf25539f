import { beforeEach, describe, expect, it } from 'vitest';
import { wakingTaps } from './waking-taps';

/** A stage with its controls, as they stand where something is tapped. */
class Stage extends EventTarget {
  faded = true;
  onControls = true;

  closest(): unknown {
    return this.onControls ? this : null;
  }

  /** Whether what lies there hears of it. The press brings the controls back, as it does on the page. */
  tap(pointerType: string): boolean {
    this.dispatchEvent(Object.assign(new Event('pointerdown'), { pointerType }));
    this.faded = false;
    return this.click(1);
  }

  click(detail: number): boolean {
    return this.dispatchEvent(Object.assign(new Event('click', { cancelable: true }), { detail }));
  }
}

describe('a tap', () => {
  let stage: Stage;
  let end: () => void;

  beforeEach(() => {
    stage = new Stage();
    end = wakingTaps(() => stage.faded, '.controls')(stage as unknown as HTMLElement);
  });

  it('on controls that have faded brings them back, and only the next one presses them', () => {
    expect([stage.tap('touch'), stage.tap('touch')]).toEqual([false, true]);
  });

  it('beside them is heard', () => {
    stage.onControls = false;
    expect(stage.tap('touch')).toBe(true);
  });

  it('of a mouse, which has moved before, is heard', () => {
    expect(stage.tap('mouse')).toBe(true);
  });

  it('does not keep a key from pressing them', () => {
    stage.dispatchEvent(Object.assign(new Event('pointerdown'), { pointerType: 'touch' }));
    expect(stage.click(0)).toBe(true);
  });

  it('is heard by a stage that is not attended to any more', () => {
    end();
    expect(stage.tap('touch')).toBe(true);
  });
});
