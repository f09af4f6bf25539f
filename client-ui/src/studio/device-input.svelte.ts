import { type Capture, type Opened, type RecoveringTrack, browserCapture, openOne, permissionOf } from './capture';
import { type NamedDevice, type Remembered, namedDevices, recalled } from './devices';
import { type Place, type Trouble, awaitedTrouble, deviceTrouble, openingTrouble } from './trouble';

/** What came of opening a device: `superseded` where it was released, or another one chosen, before it was open. */
export type Reopened = 'open' | 'failed' | 'superseded';

/** A camera or microphone: the one that is chosen, its track, and what is wrong with it. */
export abstract class DeviceInput {
  track = $state.raw<RecoveringTrack | null>(null);
  trouble = $state.raw<Trouble | null>(null);
  /** Whether anything of the device is to be seen or heard: a track can outlast the loss of its device. */
  works = $derived(this.track !== null && this.trouble?.cause !== 'lost');
  opening = $state(false);
  /** Whether it is to be used at all. */
  wanted = $state(true);
  /** All that could be chosen; empty before the permission is given. */
  devices = $state.raw<readonly NamedDevice[]>([]);
  /** Of the one in use. */
  deviceId = $state.raw<string | null>(null);
  /** Called when the track is another one, or none. */
  onchange: () => void = () => undefined;
  abstract readonly name: 'camera' | 'microphone';
  abstract readonly kind: 'audio' | 'video';
  protected readonly capture: Capture | null;
  readonly #place: Place;
  /** What was chosen last, here or another day. */
  #remembered: Remembered | null;
  /** Does again what `of` is said of, which need not be what is open: another device that was chosen, and failed. */
  #again: { readonly of: Trouble | null; readonly act: () => Promise<void> } | null = null;
  /** Counts attempts: whoever chooses again before the first device has opened means the second. */
  #attempt = 0;

  constructor(place: Place, remembered: Remembered | null, capture: Capture | null = browserCapture()) {
    this.#place = place;
    this.#remembered = remembered;
    this.capture = capture;
  }

  /** What the browser is asked for by default. */
  abstract constraints(deviceId: string | null): MediaTrackConstraints;

  /** The device in use or wanted, to be found again. */
  get remembered(): Remembered | null {
    return this.#remembered;
  }

  /** Tells the browser's own choice from a person's. */
  get preferredId(): string | null {
    return recalled(this.devices, this.#remembered)?.id ?? null;
  }

  /** Opens the device that was chosen last, or whichever the browser gives. */
  async open(): Promise<boolean> {
    return (await this.reopen(this.constraints(this.preferredId))) === 'open';
  }

  /** Opens this one, and keeps the one before where that fails. */
  async choose(deviceId: string): Promise<void> {
    const before = this.deviceId;
    const name = this.devices.find((device) => device.id === deviceId)?.name ?? '';
    this.wanted = true;
    const outcome = await this.reopen(this.constraints(deviceId));
    if (outcome === 'open') {
      this.#remembered = { id: deviceId, name };
    } else if (outcome === 'failed') {
      await this.backTo(before === deviceId ? null : before, () => this.choose(deviceId));
    }
  }

  /** Tries again what did not work. */
  async retry(): Promise<void> {
    await (this.trouble !== null && this.trouble === this.#again?.of ? this.#again.act() : this.open());
  }

  /**
   * Waits for what somebody else opens for it.
   *
   * @returns what hands that over. Where the person has chosen otherwise meanwhile, it is closed again.
   */
  expect(): (opened: Opened) => void {
    const attempt = ++this.#attempt;
    this.opening = true;
    return ({ track, error }) => {
      if (attempt === this.#attempt) {
        this.#take(track, error);
      } else {
        track?.stop();
      }
    };
  }

  /** Goes on without it. */
  leaveOut(): void {
    this.wanted = false;
    this.release();
  }

  /** Frees the device. Nothing but a person opens it again: not one that is plugged in, nor a permission. */
  release(): void {
    this.#attempt += 1;
    this.opening = false;
    this.trouble = null;
    this.#drop();
    this.onchange();
  }

  /** Reads what there is to choose from. */
  async list(): Promise<void> {
    const found = (await this.capture?.enumerateDevices().catch(() => [])) ?? [];
    this.devices = namedDevices(found, this.kind === 'video' ? 'videoinput' : 'audioinput');
  }

  /** Whether it is used as soon as it is there. */
  get missed(): boolean {
    const missing = this.trouble?.cause === 'missing' || this.trouble?.cause === 'lost';
    return missing && this.wanted && this.track === null;
  }

  /** Devices came or went. */
  async devicesChanged(): Promise<void> {
    await this.list();
    if (this.missed && this.devices.length > 0) {
      await this.open();
    }
  }

  /** Whoever allows it in the browser's settings need not press anything here. */
  async followPermission(): Promise<() => void> {
    const status = await permissionOf(this.name);
    const changed = () => {
      if (status?.state === 'granted' && this.trouble?.cause === 'refused' && this.wanted) {
        void this.open();
      }
    };
    status?.addEventListener('change', changed);
    return () => status?.removeEventListener('change', changed);
  }

  /** Opens what the constraints name, in place of what is open. */
  protected async reopen(constraints: MediaTrackConstraints): Promise<Reopened> {
    const attempt = ++this.#attempt;
    this.opening = true;
    // Freed first: many phones, and some systems, open no second device while the first one is in use.
    this.track?.stop();
    const { track, error } = await openOne(this.capture, this.kind, constraints);
    if (attempt !== this.#attempt) {
      track?.stop();
      return 'superseded';
    }
    this.#take(track, error);
    return track === null ? 'failed' : 'open';
  }

  /**
   * Opens the device before the one that failed, and still says what was wrong with that.
   *
   * @param act - tries that one again
   */
  protected async backTo(deviceId: string | null, act: () => Promise<void>): Promise<void> {
    const { trouble } = this;
    this.#again = { of: trouble, act };
    if (deviceId !== null && (await this.reopen(this.constraints(deviceId))) === 'open') {
      this.trouble = trouble;
    }
  }

  #take(track: RecoveringTrack | null, error: unknown): void {
    this.opening = false;
    this.#drop();
    this.track = track;
    this.trouble = track === null ? openingTrouble(error, this.name, this.#place) : null;
    if (track !== null) {
      this.deviceId = track.getSettings().deviceId ?? null;
      track.contentHint = this.kind === 'video' ? 'motion' : 'speech';
      track.onended = () => this.#ended(track);
      track.onlost = (lost) => this.#lost(track, lost);
    }
    void this.list();
    this.onchange();
  }

  #ended(track: MediaStreamTrack): void {
    if (track === this.track) {
      this.#drop();
      this.trouble = deviceTrouble('lost', this.name, this.#place);
      this.onchange();
    }
  }

  #lost(track: MediaStreamTrack, lost: boolean): void {
    if (track === this.track) {
      this.trouble = lost ? awaitedTrouble(this.name, this.#place) : null;
      this.onchange();
    }
  }

  #drop(): void {
    if (this.track !== null) {
      this.track.onended = this.track.onlost = null;
      this.track.stop();
      this.track = null;
    }
  }
}
