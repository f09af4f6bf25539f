/**
 * Reaches a person who looks at something else. A page in a browser has no way to; whoever embeds the pages may bring one.
 */
class Elsewhere {
  /** Shows words outside of the page; `null` where nothing can. */
  way: ((words: string) => void) | null = null;

  tell(words: string): void {
    this.way?.(words);
  }
}

export const elsewhere = new Elsewhere();
