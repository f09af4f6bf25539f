import { convertFileSrc } from '@tauri-apps/api/core';
import { tick } from 'svelte';
import { watchPath } from '../router';
import { useServer } from '../server/current';
import { displayName } from '../stores/display-name.svelte';
import { navigation } from '../stores/current-navigation';
import { type OnAirStudio, onAir } from '../stores/on-air.svelte';
import type { AppEvent, AppLink, AppServer, Failure } from './bindings';
import { commands, failureOf, wordsOf } from './commands';
import { chooseEngine } from './engine-choice';
import { LiveService } from './live-service';
import { RelayedServer } from './relayed-server';

/** The scheme under which the window finds pictures of the server; `src-tauri/src/pictures.rs` answers it. */
const PICTURES = 'server';

/**
 * How long the server is given to hear a farewell, in milliseconds: longer than a bad line takes, and not so long that somebody
 * who closes the window wonders why it stays.
 */
const FAREWELL_WITHIN_MS = 5_000;

/** A certificate that is not the one of the first contact. */
export type ChangedCertificate = Extract<Failure, { kind: 'certificate_changed' }>;

/** The app around the pages: which server they talk to, and what the person has to be asked about it. */
class Shell {
  /** `starting` until the app has said what it remembers; then `choosing` without a server, and `ready` with one. */
  phase = $state<'starting' | 'choosing' | 'ready'>('starting');
  server = $state.raw<AppServer | null>(null);
  canServe = $state(false);
  /** What a phone's system is told by; `null` on a desktop. */
  liveService = $state.raw<LiveService | null>(null);
  /** Why the server of the last time is not used. */
  problem = $state('');
  /** Something that the person should know. */
  notice = $state('');
  changed = $state.raw<ChangedCertificate | null>(null);
  /** The window is to be closed while this person is on air. */
  closing = $state(false);
  /** A link to a session on another server. */
  elsewhere = $state.raw<{ session: string; server: string } | null>(null);
  #relay: RelayedServer | null = null;
  /** A link that waits until the server of the last time is known, or another one is chosen. */
  #waiting: AppLink | null = null;
  /** The person decided against a changed certificate, and is not asked again until something else changes. */
  #declined: string | null = null;

  /** Goes on where the app was left the last time. */
  async start(): Promise<void> {
    try {
      const begun = await commands.start();
      await commands.listen((event) => this.#heard(event));
      if (begun.name !== null) {
        displayName.set(begun.name);
      }
      this.canServe = begun.can_serve;
      chooseEngine(begun.phone);
      this.liveService = begun.phone ? new LiveService((words) => (this.notice = words)) : null;
      this.notice = begun.notice ?? '';
      this.problem = begun.failure === null ? '' : wordsOf(begun.failure);
      this.#use(begun.server);
    } catch (error) {
      this.problem = wordsOf(failureOf(error));
      this.#use(null);
    }
  }

  /** Keeps the person's name, in the pages and for the next start. */
  async keepName(name: string): Promise<void> {
    displayName.set(name);
    await commands.setName(displayName.chosen ?? '');
  }

  /** Uses the server at `address`. Rejects with words where that cannot be. */
  async connect(address: string): Promise<void> {
    this.#use(await this.#asking(commands.connect(address)));
  }

  /** Runs everything on this computer. Rejects with words where that cannot be. */
  async serve(): Promise<void> {
    this.#use(await commands.serve());
  }

  /**
   * Goes back to the choice of a server, unless whoever is on air would rather stay. The pages are loaded anew, so that nothing
   * of the old one is left.
   */
  async leave(): Promise<void> {
    await this.#agreed();
    await this.#leaveStage();
    await commands.leave();
    location.assign('/');
  }

  /** Hears why a server was not reached. */
  readonly report = (failure: Failure): void => {
    // Each attempt says it again, also while the person reads it.
    const known = [this.#declined, this.changed?.received];
    if (failure.kind === 'certificate_changed' && !known.includes(failure.received)) {
      this.changed = failure;
    }
  };

  /** Answers the question of {@link changed}, which stays where the answer cannot be kept: rejects with words then. */
  async decide(believed: boolean): Promise<void> {
    const { changed } = this;
    if (changed === null) {
      return;
    }
    if (believed) {
      await commands.believeCertificate(changed.server, changed.received);
      this.#declined = null;
    } else {
      this.#declined = changed.received;
    }
    if (this.changed === changed) {
      this.changed = null;
    }
  }

  /** The person does not close the window after all. */
  async stay(): Promise<void> {
    this.closing = false;
    await commands.stay();
  }

  /** Leaves whatever is on the stage, for good, and closes the window: the person has agreed to that. */
  async quit(): Promise<void> {
    await this.#leaveStage();
    await commands.quit();
  }

  /** Follows a link to another server, unless whoever is on air would rather stay. Rejects with words where that cannot be. */
  async follow(link: { session: string; server: string }): Promise<void> {
    this.elsewhere = null;
    await this.#agreed();
    await this.#asking(commands.connect(link.server));
    // Not before the other server has answered: who cannot go there stays on air.
    await this.#leaveStage();
    // Loaded anew, so that nothing of the old server is left.
    location.assign(watchPath(link.session));
  }

  /** Settles once whoever is on air agrees to leave the stage, and never where they stay. */
  #agreed(): Promise<void> {
    return new Promise((resolve) => navigation.ask(resolve));
  }

  /** Takes whoever is on air off it: a recording is written, and the server is told, where it still listens. */
  async #leaveStage(): Promise<void> {
    const { studio } = onAir;
    if (studio === null) {
      return;
    }
    const recorded = studio.recording.stop();
    const late = new Promise<void>((resolve) => setTimeout(resolve, FAREWELL_WITHIN_MS));
    await Promise.race([this.#sayFarewell(studio), late]);
    await recorded;
  }

  async #sayFarewell(studio: OnAirStudio): Promise<void> {
    await studio.unpublish();
    // Nobody asks any more whether the page may be left, which says good-bye to the room.
    await tick();
    navigation.go('/');
    await tick();
    await this.#relay?.settled;
  }

  #heard(event: AppEvent): void {
    switch (event.kind) {
      case 'close_asked':
        this.closing = true;
        break;
      case 'toggle_sound':
        onAir.studio?.toggleSound();
        break;
      case 'link_opened':
        this.#open(event.link);
    }
  }

  #open(link: AppLink): void {
    const { session, server } = link;
    if (this.phase === 'starting') {
      // Which server is in use is not known yet.
      this.#waiting = link;
    } else if (server !== null && server !== this.server?.origin && this.server?.shared.includes(server) !== true) {
      this.elsewhere = { session, server };
    } else if (this.phase === 'ready') {
      navigation.go(watchPath(session));
    } else {
      this.#waiting = link;
    }
  }

  async #asking<T>(asked: Promise<T>): Promise<T> {
    try {
      return await asked;
    } catch (error) {
      this.#declined = null;
      this.report(failureOf(error));
      throw error;
    }
  }

  #use(server: AppServer | null): void {
    this.server = server;
    if (server === null) {
      this.phase = 'choosing';
    } else {
      const place = { origin: server.origin, sharedOrigin: server.shared[0] ?? server.origin };
      this.#relay = new RelayedServer(place, commands, this.report, (path) => convertFileSrc(path.slice(1), PICTURES));
      useServer(this.#relay);
      this.phase = 'ready';
    }
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null) {
      this.#open(waiting);
    }
  }
}

export const shell = new Shell();
