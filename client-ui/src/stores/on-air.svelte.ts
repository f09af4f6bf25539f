/** The part of a studio that whoever embeds these pages shows and works. */
export interface OnAirStudio {
  readonly muted: boolean;
  /** Of what is sent, on this computer. */
  readonly recording: {
    /** Ends it; settles when it is written. */
    stop(): Promise<void>;
  };
  toggleSound(): void;
  /** Leaves the stage; settles when the server has been told. */
  unpublish(): Promise<void>;
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
