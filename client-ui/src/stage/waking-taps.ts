/** Before the press brings the controls back, and before a button hears of the click. */
const ON_THE_WAY_DOWN = { capture: true };

/**
 * Has a tap on controls that have faded bring them back, and do nothing else: whoever taps there sees only the picture. A
 * mouse has moved before, which brings them back already. To be used as an attachment of what the controls lie over.
 *
 * @param faded - whether the controls are out of sight
 * @param controls - selector of what holds them
 */
export function wakingTaps(faded: () => boolean, controls: string): (stage: HTMLElement) => () => void {
  return (stage) => {
    let wakes = false;
    const pressed = (event: PointerEvent) => {
      wakes = event.pointerType !== 'mouse' && faded();
    };
    const clicked = (event: MouseEvent) => {
      // The click of a key or a screen reader has no press before it, and counts no presses.
      if (wakes && event.detail > 0 && (event.target as Element).closest(controls) !== null) {
        event.preventDefault();
        event.stopPropagation();
      }
      wakes = false;
    };
    stage.addEventListener('pointerdown', pressed, ON_THE_WAY_DOWN);
    stage.addEventListener('click', clicked, ON_THE_WAY_DOWN);
    return () => {
      stage.removeEventListener('pointerdown', pressed, ON_THE_WAY_DOWN);
      stage.removeEventListener('click', clicked, ON_THE_WAY_DOWN);
    };
  };
}
