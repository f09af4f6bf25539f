import type { TrackSource } from '../protocol/bindings';
import type { Capture } from '../studio/capture';
import { Explained } from '../studio/trouble';
import { SCREEN_BPS, SCREEN_FPS, bitrateOf, type Height, HEIGHTS } from '../studio/quality';
import { CommandFailed } from './commands';
import {
  type CaptureDevice,
  type CaptureDevices,
  type CaptureScreen,
  type MediaCommands,
  type SourceState,
  type SourceWish,
  type VoiceProcessing,
} from './media-commands';

/** How often devices are looked for, in milliseconds, while somebody wants to know of those that come and go. */
const LOOK_EVERY_MS = 3_000;

/** How often what is open is looked after, in milliseconds: whoever is on air is to know soon that a device is lost. */
const LOOK_AFTER_MS = 1_000;

/** As `src-tauri/src/media/devices.rs` calls it. */
const TEST_PATTERN = 'footlight:pattern';

/** Of a camera or screen where nothing else is asked for. */
const DEFAULT_FPS = 30;

/** A shared screen is sent at this size: its own shape is kept within. */
const SCREEN = { width: 1920, height: 1080 };

/** Asks the person which one; `null` where they want none of them. */
export type ChooseScreen = (screens: readonly CaptureScreen[]) => Promise<CaptureScreen | null>;

/** What a track is made of. */
interface Made {
  readonly wish: SourceWish;
  readonly label: string;
}

/**
 * A source of the app's under the names of a `MediaStreamTrack` (W3C Media Capture and Streams §4.3), as far as the studio
 * uses them.
 */
export class NativeTrack extends EventTarget {
  readonly id = crypto.randomUUID();
  readonly kind: 'audio' | 'video';
  readonly place: TrackSource;
  readonly label: string;
  readyState: MediaStreamTrackState = 'live';
  contentHint = '';
  onended: (() => void) | null = null;
  /** As in `RecoveringTrack`. */
  onlost: ((lost: boolean) => void) | null = null;
  readonly #devices: NativeDevices;
  #wish: SourceWish;
  /** What the app has heard of {@link wish}. */
  #told: SourceWish;
  #enabled = true;
  #lost = false;

  constructor(devices: NativeDevices, { wish, label }: Made) {
    super();
    this.#devices = devices;
    this.#wish = this.#told = wish;
    this.place = wish.place;
    this.kind = wish.place === 'microphone' || wish.place === 'screen_audio' ? 'audio' : 'video';
    this.label = label;
  }

  /** What it was opened with, and changed to since. */
  get wish(): SourceWish {
    return this.#wish;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  set enabled(enabled: boolean) {
    if (enabled !== this.#enabled && this.readyState === 'live') {
      this.#enabled = enabled;
      this.#devices.turn(this.place, enabled);
    }
  }

  getSettings(): MediaTrackSettings {
    const { device, width, height, fps, voice } = this.#wish;
    return {
      ...(device !== null && { deviceId: device }),
      ...(width !== null && { width }),
      ...(height !== null && { height }),
      ...(fps !== null && { frameRate: fps }),
      // It has writing in it, which nobody reads in a mirror.
      ...(device === TEST_PATTERN && { facingMode: 'environment' }),
      ...(voice !== null && {
        echoCancellation: voice.echo_cancellation,
        noiseSuppression: voice.noise_suppression,
        autoGainControl: voice.gain_control,
      }),
    };
  }

  /** Nothing that could be turned by hand. */
  getCapabilities(): MediaTrackCapabilities {
    return {};
  }

  /** Another size of the same device's picture, or something else done to its sound. */
  async applyConstraints(constraints: MediaTrackConstraints): Promise<void> {
    if (this.kind === 'audio') {
      return this.change({ ...this.#wish, voice: voiceOf(constraints) });
    }
    const { width, height } = sizeOf(constraints);
    await this.change({ ...this.#wish, width, height, bitrate_bps: bitrateFor(height) });
  }

  /** @param bitrateBps - what the encoder is to work towards, in bits per second */
  async setBitrate(bitrateBps: number): Promise<void> {
    await this.change({ ...this.#wish, bitrate_bps: bitrateBps });
  }

  async change(wish: SourceWish): Promise<void> {
    if (this.readyState !== 'live') {
      return;
    }
    // A device that is away cannot be opened: the app would give up looking for it.
    if (!this.#lost && JSON.stringify(wish) !== JSON.stringify(this.#told)) {
      await this.#devices.open(wish);
      this.#told = wish;
    }
    this.#wish = wish;
  }

  /** Hears how its device is doing. */
  follow({ state }: SourceState): void {
    const lost = state === 'lost';
    if (state === 'gone') {
      this.end();
    } else if (lost !== this.#lost) {
      this.#lost = lost;
      this.onlost?.(lost);
      // What was changed meanwhile. One that refuses it goes on as it was.
      this.change(this.#wish).catch(() => undefined);
    }
  }

  stop(): void {
    if (this.readyState === 'live') {
      this.readyState = 'ended';
      this.#devices.close(this);
    }
  }

  /** There is nothing more to come of it. */
  end(): void {
    if (this.readyState === 'live') {
      this.stop();
      this.onended?.();
    }
  }
}

/** Cameras, microphones and screens of the app's, under the names of `navigator.mediaDevices`. */
export class NativeDevices extends EventTarget {
  readonly #commands: MediaCommands;
  readonly #chooseScreen: ChooseScreen;
  /** One thing after another: a device that is closed and opened again is asked for in that order. */
  #last: Promise<unknown> = Promise.resolve();
  /** Those that are live, the newest last. As in a browser, one device may have several. */
  readonly #tracks = new Map<TrackSource, NativeTrack[]>();
  /** Those of them whose device has opened. */
  readonly #open = new Set<NativeTrack>();
  #lookingAfter: ReturnType<typeof setInterval> | undefined;
  #known = '';
  /** Those who want to know of devices that come and go. */
  #watchers = 0;
  #watching: ReturnType<typeof setInterval> | undefined;
  #looking = false;

  constructor(commands: MediaCommands, chooseScreen: ChooseScreen) {
    super();
    this.#commands = commands;
    this.#chooseScreen = chooseScreen;
  }

  /** The same for the studio, which uses no more of tracks and streams than there is here. */
  get capture(): Capture {
    return this as unknown as Capture;
  }

  async enumerateDevices(): Promise<MediaDeviceInfo[]> {
    const found = await this.#commands.captureDevices();
    this.#known = JSON.stringify(found);
    return infosOf(found);
  }

  async getUserMedia(constraints: MediaStreamConstraints): Promise<MediaStream> {
    const made: NativeTrack[] = [];
    try {
      if (isAsked(constraints.audio)) {
        made.push(await this.#microphone(constraints.audio));
      }
      if (isAsked(constraints.video)) {
        made.push(await this.#camera(constraints.video));
      }
    } catch (error) {
      made.forEach((track) => track.stop());
      throw exceptionOf(error);
    }
    return streamOf(made);
  }

  /** Where there is a choice, the person is asked. */
  async getDisplayMedia(): Promise<MediaStream> {
    try {
      const screens = await this.#commands.captureScreens();
      const [first] = screens;
      if (first === undefined) {
        throw new DOMException('no screen can be captured', 'NotFoundError');
      }
      const screen = screens.length === 1 ? first : await this.#chooseScreen(screens);
      if (screen === null) {
        throw new DOMException('no screen was chosen', 'NotAllowedError');
      }
      const wish = { ...picture('screen', SCREEN, SCREEN_FPS, SCREEN_BPS), device: screen.id };
      return streamOf([await this.#make(wish, screen.name)]);
    } catch (error) {
      throw exceptionOf(error);
    }
  }

  /** Dispatches `devicechange` when devices come or go, until what it returns is called. The app opens every camera for that. */
  watch(): () => void {
    this.#watchers += 1;
    if (this.#watching === undefined) {
      this.#watching = setInterval(() => void this.#look(), LOOK_EVERY_MS);
      // Some may have come or gone while nobody looked.
      void this.#look();
    }
    let ended = false;
    return () => {
      this.#watchers -= ended ? 0 : 1;
      ended = true;
      if (this.#watchers === 0) {
        clearInterval(this.#watching);
        this.#watching = undefined;
      }
    };
  }

  /** Opens a source, or changes what is open in its place. */
  open(wish: SourceWish): Promise<unknown> {
    return this.#inTurn(() => this.#commands.openSource(wish));
  }

  turn(place: TrackSource, on: boolean): void {
    void this.#inTurn(() => this.#commands.turnSource(place, on)).catch(() => undefined);
  }

  close(track: NativeTrack): void {
    const others = (this.#tracks.get(track.place) ?? []).filter((one) => one !== track);
    this.#tracks.set(track.place, others);
    this.#open.delete(track);
    if (this.#open.size === 0) {
      clearInterval(this.#lookingAfter);
      this.#lookingAfter = undefined;
    }
    const last = others.at(-1);
    // Where another one is left, what it was opened with holds again.
    const done =
      last === undefined ? this.#inTurn(() => this.#commands.closeSource(track.place)) : this.open(last.wish);
    done.catch(() => undefined);
  }

  async #microphone(constraints: MediaTrackConstraints | true): Promise<NativeTrack> {
    const { microphones } = await this.#commands.captureDevices();
    const device = chosen(microphones, constraints);
    const wish = { place: 'microphone' as const, width: null, height: null, fps: null, bitrate_bps: null };
    const voice = voiceOf(constraints === true ? {} : constraints);
    return this.#make({ ...wish, device: device.id, voice }, device.name);
  }

  async #camera(constraints: MediaTrackConstraints | true): Promise<NativeTrack> {
    const { cameras } = await this.#commands.captureDevices();
    const device = chosen(cameras, constraints);
    const size = sizeOf(constraints === true ? {} : constraints);
    const wish = picture('camera', size, DEFAULT_FPS, bitrateFor(size.height));
    return this.#make({ ...wish, device: device.id }, device.name);
  }

  async #make(wish: SourceWish, label: string): Promise<NativeTrack> {
    const track = new NativeTrack(this, { wish, label });
    // Known before it is open: another track of the same place may be stopped meanwhile, and would close what this one opens.
    this.#tracks.set(wish.place, [...(this.#tracks.get(wish.place) ?? []), track]);
    try {
      await this.open(wish);
    } catch (error) {
      track.stop();
      throw error;
    }
    // A source that was turned off for the track before is on for this one.
    this.turn(wish.place, true);
    if (track.readyState === 'live') {
      this.#open.add(track);
      this.#lookingAfter ??= setInterval(() => void this.#lookAfter(), LOOK_AFTER_MS);
    }
    return track;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Tells tracks how their devices are doing. */
  async #lookAfter(): Promise<void> {
    const isNewest = (track: NativeTrack) => this.#tracks.get(track.place)?.at(-1) === track;
    const asked = [...this.#open].filter(isNewest);
    const figures = await this.#commands.studioFigures().catch(() => null);
    // What was opened since in the place of one is not what these figures are about.
    for (const track of asked.filter(isNewest)) {
      const source = figures?.studio.sources.find((one) => one.place === track.place);
      const state = source?.video?.state ?? source?.audio?.state;
      if (state !== undefined) {
        track.follow(state);
      }
    }
  }

  async #look(): Promise<void> {
    if (this.#looking) {
      return;
    }
    this.#looking = true;
    const found = JSON.stringify(await this.#commands.captureDevices().catch(() => null));
    this.#looking = false;
    if (this.#known !== '' && found !== 'null' && found !== this.#known) {
      this.#known = found;
      this.dispatchEvent(new Event('devicechange'));
    }
  }
}

function infosOf(found: CaptureDevices): MediaDeviceInfo[] {
  const info = (kind: MediaDeviceKind) => (device: CaptureDevice) => ({
    kind,
    deviceId: device.id,
    label: device.name,
    groupId: '',
    toJSON: () => ({}),
  });
  return [...found.cameras.map(info('videoinput')), ...found.microphones.map(info('audioinput'))];
}

function picture(
  place: TrackSource,
  { width, height }: { width: number; height: number },
  fps: number,
  bitrate: number,
): SourceWish {
  return { place, device: null, width, height, fps, bitrate_bps: bitrate, voice: null };
}

function isAsked(
  constraints: boolean | MediaTrackConstraints | undefined,
): constraints is MediaTrackConstraints | true {
  return constraints !== undefined && constraints !== false;
}

/** The device that was asked for by its id, or the first one. */
function chosen(devices: readonly CaptureDevice[], constraints: MediaTrackConstraints | true): CaptureDevice {
  const id = constraints === true ? null : exact(constraints.deviceId);
  const found = id === null ? devices[0] : devices.find((device) => device.id === id);
  if (found === undefined) {
    throw new DOMException('there is no such device', id === null ? 'NotFoundError' : 'OverconstrainedError');
  }
  return found;
}

function exact(constraint: ConstrainDOMString | undefined): string | null {
  const value = typeof constraint === 'object' && !Array.isArray(constraint) ? constraint.exact : constraint;
  return typeof value === 'string' ? value : null;
}

function ideal(constraint: ConstrainULong | undefined, otherwise: number): number {
  const value = typeof constraint === 'object' ? (constraint.exact ?? constraint.ideal) : constraint;
  return value ?? otherwise;
}

/** As in browsers, everything is done that is not refused. */
function voiceOf(constraints: MediaTrackConstraints): VoiceProcessing {
  const { echoCancellation, noiseSuppression, autoGainControl } = constraints;
  return {
    echo_cancellation: wanted(echoCancellation),
    noise_suppression: wanted(noiseSuppression),
    gain_control: wanted(autoGainControl),
  };
}

function wanted(constraint: MediaTrackConstraints['echoCancellation']): boolean {
  const value = typeof constraint === 'object' ? (constraint.exact ?? constraint.ideal) : constraint;
  return value !== false;
}

function sizeOf(constraints: MediaTrackConstraints): { width: number; height: number } {
  const height = ideal(constraints.height, 720);
  return { width: ideal(constraints.width, Math.round((height * 16) / 9)), height };
}

function bitrateFor(height: number): number {
  const nearest = HEIGHTS.find((one) => one >= height) ?? (1080 satisfies Height);
  return bitrateOf({ height: nearest, bitrateBps: null });
}

function streamOf(tracks: readonly NativeTrack[]): MediaStream {
  const of = (kind: NativeTrack['kind']) => tracks.filter((track) => track.kind === kind);
  return { getAudioTracks: () => of('audio'), getVideoTracks: () => of('video') } as unknown as MediaStream;
}

/** The exception that a browser throws for the same reason. */
function exceptionOf(error: unknown): unknown {
  if (!(error instanceof CommandFailed) || error.failure.kind !== 'device') {
    return error;
  }
  const names = {
    missing: 'NotFoundError',
    busy: 'NotReadableError',
    refused: 'NotAllowedError',
    failed: 'UnknownError',
  };
  return new Explained(error.failure.message, names[error.failure.cause]);
}
