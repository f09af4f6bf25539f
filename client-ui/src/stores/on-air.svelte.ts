/** The part of a studio that whoever embeds these pages shows and works. */
export interface OnAirStudio {
  readonly muted: boolean;
  toggleSound(): void;
}

/** What this page publishes from, while it is on the stage. */
class OnAir {
  studio = $state.raw<OnAirStudio | null>(null);

  /** `studio` goes on the stage. */
  begin(studio: OnAirStudio): void {
    this.studio = studio;
  }

  /** `studio` has left the stage. */
  end(studio: OnAirStudio): void {
    if (this.studio === studio) {
      this.studio = null;
    }
  }
}

export const onAir = new OnAir();
