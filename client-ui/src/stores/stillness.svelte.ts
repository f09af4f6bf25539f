/** After this long without touch or movement, the controls step back. */
const STILL_AFTER_MS = 3_000;

/** Whether nobody has touched the stage for a while. */
export class Stillness {
  still = $state(false);

  /** Observes `element`; to be used as an attachment. */
  readonly watch = (element: HTMLElement): (() => void) => {
    let timer: ReturnType<typeof setTimeout>;
    const stir = () => {
      clearTimeout(timer);
      this.still = false;
      timer = setTimeout(() => (this.still = true), STILL_AFTER_MS);
    };
    const signs = ['pointermove', 'pointerdown', 'keydown', 'focusin'] as const;
    signs.forEach((sign) => element.addEventListener(sign, stir));
    stir();
    return () => {
      clearTimeout(timer);
      signs.forEach((sign) => element.removeEventListener(sign, stir));
    };
  };
}
