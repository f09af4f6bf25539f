/** The part of `Document` that is needed. */
type Page = Pick<Document, 'visibilityState' | 'addEventListener' | 'removeEventListener'>;

/** Whether this is a device that is put into a pocket: one without mouse and keyboard. */
export function isPocketable(view: Pick<Window, 'matchMedia'>): boolean {
  return view.matchMedia('(hover: none) and (pointer: coarse)').matches;
}

/**
 * Tells whenever the page goes out of the person's sight, or comes back into it.
 *
 * @returns what ends that
 */
export function followSight(page: Page, changed: (inSight: boolean) => void): () => void {
  const look = () => changed(page.visibilityState === 'visible');
  page.addEventListener('visibilitychange', look);
  return () => page.removeEventListener('visibilitychange', look);
}
