import type { Component } from 'svelte';
import type { SessionMode } from '../protocol/bindings';
import type { Studio } from '../studio/studio.svelte';
import type { Watch } from './watch.svelte';

/** What somebody on the stage needs: loaded for those alone, most people only watch. */
interface Backstage {
  readonly studio: Studio;
  readonly Setup: Component<{ studio: Studio; mode: SessionMode }>;
  readonly StudioControls: Component<{ studio: Studio; mode: SessionMode; title: string }>;
  readonly SelfTile: Component<{ studio: Studio; name: string }>;
}

async function loadBackstage(): Promise<Backstage> {
  const [{ Studio }, setup, controls, self] = await Promise.all([
    import('../studio/studio.svelte'),
    import('../components/studio/Setup.svelte'),
    import('../components/studio/StudioControls.svelte'),
    import('../components/studio/SelfTile.svelte'),
  ]);
  return { studio: new Studio(), Setup: setup.default, StudioControls: controls.default, SelfTile: self.default };
}

/** The way from the seats to the stage and back, without loading the page again. */
export class GuestStage {
  backstage = $state.raw<Backstage | null>(null);
  /** Whether the preview is open. */
  preparing = $state(false);
  /** Whether this person publishes. */
  on = $state(false);
  /** Why the way is barred just now; empty where it is not. */
  problem = $state('');
  readonly #watch: Watch;
  #invited = false;

  constructor(watch: Watch) {
    this.#watch = watch;
  }

  /**
   * Follows what this person may do.
   *
   * @param invited - whether they may come on the stage
   */
  follow(invited: boolean): void {
    if (invited === this.#invited) {
      return;
    }
    this.#invited = invited;
    if (invited) {
      void this.prepare();
    } else {
      this.close();
    }
  }

  /** Opens the preview. */
  async prepare(): Promise<void> {
    this.problem = '';
    try {
      const backstage = this.backstage ?? (await loadBackstage());
      if (this.#invited) {
        this.backstage = backstage;
        this.preparing = true;
      } else {
        backstage.studio.close();
      }
    } catch {
      this.problem =
        'Camera and microphone could not be set up: part of this page did not load. Try again in a moment.';
    }
  }

  /** Goes on the stage with what the preview shows. */
  enter(): void {
    const { mode, topology, you } = this.#watch.room;
    this.backstage?.studio.publish(this.#watch.link, mode, topology, you);
    // Before the preview goes: what closes with it is only what is not needed on the stage.
    this.on = this.backstage !== null;
    this.preparing = false;
  }

  /** The preview was closed. Off the stage nothing shows that camera and microphone are on, or turns them off. */
  dismiss(): void {
    if (!this.on) {
      this.close();
    }
  }

  /** Back to the seats; the way stays open. */
  leave(): void {
    void this.backstage?.studio.unpublish();
    this.close();
  }

  /** Lets go of camera and microphone. */
  close(): void {
    this.backstage?.studio.close();
    this.backstage = null;
    this.preparing = false;
    this.on = false;
  }
}
