import type { MediaKind, Participant, ServerMessage, SessionMode, Topology, TrackSource } from '../protocol/bindings';
import type { RoomLink, StageLink } from '../session/link';
import { remember } from '../media/figures';
import { type SendFigures, type SendSample, sendFiguresBetween } from '../media/sending';
import { onAir } from '../stores/on-air.svelte';
import { browserOf } from './browser';
import { Camera } from './camera.svelte';
import { openBoth, permissionOf } from './capture';
import type { DeviceInput } from './device-input.svelte';
import { studioEngine } from './engine';
import { type MeshRoom, meshOf } from './mesh-streams.svelte';
import { Microphone } from './microphone.svelte';
import { defaultQuality, followNetwork } from './network';
import { type Preferences, keepPreferences, keepTurnedOff, recallPreferences, recallTurnedOff } from './preferences';
import { Publisher, type PublishState } from './publisher';
import { type Quality, bitrateOf } from './quality';
import { RecordingState } from './recording.svelte';
import { ScreenShare } from './screen.svelte';
import { followSight, isPocketable } from './sight';
import { type About, type Place, problemsOf } from './trouble';
import { AwakeScreen } from './wake-lock';

/** How often what is sent is measured. */
const MEASURE_EVERY_MS = 1_000;

/** What somebody shows and says: devices, preview, and the way of both to the room. */
export class Studio {
  readonly camera: Camera;
  readonly microphone: Microphone;
  readonly screen: ScreenShare;
  /** Of what is sent, on this computer. */
  readonly recording: RecordingState;
  /** Whether the person has turned the sound off. */
  muted = $state(false);
  /** Whether the person has turned the picture off. */
  hidden = $state(false);
  /** Whether a camera that looks at the person is shown to them as in a mirror. */
  mirror = $state(true);
  /** Who turned the sound off from outside; `null` where nobody did. It cannot be turned on until they allow it. */
  soundBarredBy = $state<string | null>(null);
  /** The same for camera and screen. */
  pictureBarredBy = $state<string | null>(null);
  /** How far the media's way is; `null` while nothing is published. */
  way = $state<PublishState | null>(null);
  /** What the server said against publishing; empty while it takes it. */
  refusal = $state('');
  soundOff = $derived(this.muted || this.soundBarredBy !== null);
  /** Whether the page is out of sight on a phone: its camera shows a pocket then, or nothing at all. */
  outOfSight = $state(false);
  pictureOff = $derived(this.hidden || this.outOfSight || this.pictureBarredBy !== null);
  /** How sending went in the last minute, oldest first; empty while nothing is sent to a server. */
  sending = $state.raw<readonly SendFigures[]>([]);
  readonly place: Place;
  /** What is wrong with camera and microphone. */
  problems = $derived.by(() => problemsOf(this.camera.trouble, this.microphone.trouble, this.place));
  readonly #awake = new AwakeScreen((navigator as Partial<Navigator>).wakeLock ?? null, document);
  readonly #engine = studioEngine();
  readonly #capture = this.#engine.capture;
  #mode = $state<SessionMode | null>(null);
  /** What the person chose; `null` leaves it to the network. */
  #chosenQuality: Quality | null;
  #link: RoomLink | null = null;
  #publisher: Publisher | null = null;
  #mesh: MeshRoom | null = null;
  #sample: SendSample | null = null;
  readonly #endings: (() => void)[] = [];
  /** Ends what is followed for as long as the devices are in use. */
  readonly #followed: (() => void)[] = [];
  /** Those who choose among the devices. */
  #choosers = 0;
  #unwatch: (() => void) | null = null;
  #closed = false;

  constructor() {
    const preferences = recallPreferences();
    const secure = new URL(location.href);
    secure.protocol = 'https:';
    this.place = { browser: browserOf(navigator.userAgent), secureAddress: secure.href };
    this.camera = new Camera(
      this.place,
      preferences.camera,
      preferences.quality ?? defaultQuality(navigator),
      this.#capture,
    );
    this.microphone = new Microphone(this.place, preferences.microphone, preferences.cleanVoice, this.#capture);
    this.screen = new ScreenShare(this.#capture);
    this.recording = new RecordingState(this.#engine.recorder);
    this.mirror = preferences.mirror;
    this.#chosenQuality = preferences.quality;
    const off = recallTurnedOff();
    this.muted = off.sound;
    this.hidden = off.picture;
    this.camera.onchange = this.microphone.onchange = this.screen.onchange = () => this.#apply();
  }

  /** Whether there is no picture to be had, because the session has none. */
  get soundOnly(): boolean {
    return this.#mode === 'voice';
  }

  /** Whether this person is on the stage. */
  get publishing(): boolean {
    return this.way !== null;
  }

  /** Whether there is anything to be seen or heard of this person. */
  get sends(): boolean {
    const sound = this.microphone.works && !this.soundOff;
    const picture = this.camera.works && !this.pictureOff && !this.soundOnly;
    return sound || picture || this.screen.picture !== null;
  }

  /** Opens what the mode needs, for a preview: in `voice` no camera is even asked for. */
  async prepare(mode: SessionMode): Promise<void> {
    const before = this.#mode;
    this.#mode = mode;
    if (before === null) {
      this.#begin();
    }
    if (mode === 'voice') {
      this.camera.release();
      this.screen.stop();
    }
    const suited = this.#suitNetwork();
    const camera = mode !== 'voice' && needed(this.camera);
    const microphone = needed(this.microphone);
    if (camera && microphone) {
      await this.#openBoth();
    } else {
      await Promise.all([camera && this.camera.open(), microphone && this.microphone.open()]);
    }
    await suited;
  }

  /** Keeps the lists of devices up to date for whoever chooses among them, until what it returns is called. */
  followDevices(): () => void {
    this.#choosers += 1;
    this.#watchDevices();
    return () => {
      this.#choosers -= 1;
      this.#watchDevices();
    };
  }

  /** Turns the sound on or off, unless a host has turned it off. */
  toggleSound(): void {
    if (this.soundBarredBy === null) {
      this.muted = this.microphone.track !== null && !this.muted;
      this.#turned();
      if (this.microphone.track === null) {
        this.microphone.wanted = true;
        void this.microphone.open();
      }
    }
  }

  /** Turns the picture on or off, unless a host has turned it off. A camera that was left out is opened. */
  togglePicture(): void {
    if (this.pictureBarredBy !== null) {
      return;
    }
    if (this.camera.track === null) {
      this.hidden = false;
      this.camera.wanted = true;
      void this.camera.open();
    } else {
      this.hidden = !this.hidden;
    }
    this.#turned();
  }

  /** Uses another camera. */
  async chooseCamera(deviceId: string): Promise<void> {
    await this.camera.choose(deviceId);
    this.#keep();
  }

  /** From the front camera to the back one, or to the next. */
  async flipCamera(): Promise<void> {
    await this.camera.flip();
    this.#keep();
  }

  /** Uses another microphone. */
  async chooseMicrophone(deviceId: string): Promise<void> {
    await this.microphone.choose(deviceId);
    this.#keep();
  }

  /** @param clean - whether echo, noise and uneven loudness are to be taken out of the voice */
  async setCleanVoice(clean: boolean): Promise<void> {
    await this.microphone.setClean(clean);
    this.#keep();
  }

  /** Tries again what did not work. */
  async retry(about: About): Promise<void> {
    if (about === 'both') {
      await this.#openBoth();
    } else {
      await this[about].retry();
      this.#keep();
    }
  }

  /** Goes on without what did not work. */
  goOnWithout(about: 'camera' | 'microphone'): void {
    this[about].leaveOut();
  }

  /** Another size or bitrate, now and for the next time. */
  async setQuality(quality: Quality): Promise<void> {
    this.#publisher?.setQuality(quality);
    this.#mesh?.peers.setBitrate(bitrateOf(quality));
    this.#chosenQuality = quality;
    await this.camera.setQuality(quality);
    this.#keep();
  }

  /** The camera's picture has another shape now: the phone was turned. */
  pictureTurned(): void {
    this.#publisher?.pictureTurned();
  }

  /** @param mirror - whether a camera that looks at the person is shown to them as in a mirror */
  setMirror(mirror: boolean): void {
    this.mirror = mirror;
    this.#keep();
  }

  /** Shares a screen beside the camera, or ends that. */
  async toggleScreen(): Promise<void> {
    if (this.screen.picture !== null) {
      this.screen.stop();
    } else if (this.pictureBarredBy === null) {
      await this.screen.start();
    }
  }

  /** Shows a screen in place of what does not work, and says no more about that. To be called from a click. */
  async shareInstead(of: About): Promise<void> {
    await this.screen.start();
    if (this.screen.picture === null) {
      return;
    }
    if (of !== 'microphone') {
      this.camera.leaveOut();
    }
    if (of !== 'camera') {
      this.microphone.leaveOut();
    }
  }

  /**
   * Goes on the stage with what there is, until {@link unpublish}.
   *
   * @param you - what the room says of this person, who may have been muted before
   */
  publish(
    link: StageLink,
    mode: SessionMode,
    topology: Topology,
    you: Pick<Participant, 'audio_muted' | 'video_muted'> | null = null,
  ): void {
    if (this.#link !== null || this.#closed) {
      return;
    }
    if (you !== null) {
      this.#barAsToldBy(you);
    }
    this.#mode = mode;
    this.#link = link;
    this.way = 'connecting';
    if (topology === 'mesh') {
      this.#mesh = meshOf(link);
      this.#mesh.peers.setBitrate(bitrateOf(this.camera.quality));
      this.way = 'connected';
    } else {
      this.#publisher = new Publisher(
        this.camera.quality,
        {
          createConnection: () => this.#engine.createConnection(),
          send: (message) => link.send(message),
          codecsOnAir: () => link.videoCodecsOnAir(),
          random: Math.random,
        },
        {
          state: (state) => {
            this.way = state;
            this.refusal = state === 'connected' ? '' : this.refusal;
          },
          refused: (message) => (this.refusal = message),
        },
      );
    }
    const measuring = setInterval(() => void this.#measure(), MEASURE_EVERY_MS);
    this.#endings.push(
      link.listen((message) => this.#hear(message)),
      () => clearInterval(measuring),
    );
    this.#apply();
    this.#publisher?.open();
    this.#awake.hold();
    onAir.begin(this);
    addEventListener('beforeunload', this.#askFirst);
  }

  /** Leaves the stage; the devices stay open for the preview. Settles when the server has been told. */
  async unpublish(): Promise<void> {
    if (this.#link === null) {
      return;
    }
    this.#link.send({ action: 'update_media_status', audio_enabled: false, video_enabled: false });
    void this.recording.stop();
    const told = this.#publisher?.close();
    this.#mesh?.peers.silence();
    this.#publisher = this.#mesh = this.#link = null;
    this.#endings.splice(0).forEach((end) => end());
    this.way = null;
    this.sending = [];
    this.#sample = null;
    this.refusal = '';
    this.soundBarredBy = this.pictureBarredBy = null;
    this.#awake.release();
    onAir.end(this);
    removeEventListener('beforeunload', this.#askFirst);
    await told;
  }

  /** Leaves the stage and frees all devices, for good. */
  close(): void {
    void this.unpublish();
    this.#closed = true;
    this.#letGo();
    this.#capture?.removeEventListener('devicechange', this.#devicesChanged);
    this.#followed.splice(0).forEach((end) => end());
  }

  async #measure(): Promise<void> {
    const publisher = this.#publisher;
    const sample = await publisher?.sample((connection) => this.#engine.sample(connection)).catch(() => null);
    if (sample === null || sample === undefined || publisher !== this.#publisher) {
      return;
    }
    const figures = this.#sample === null ? null : sendFiguresBetween(this.#sample, sample);
    this.#sample = sample;
    if (figures !== null) {
      this.sending = remember(this.sending, figures);
    }
  }

  #networkChanged(): void {
    this.#publisher?.networkChanged();
    void this.#suitNetwork();
  }

  /**
   * Fits the picture to the network, where the person leaves it to that. Not on air: what viewers see then changes with what
   * the way carries, and not with each step out of the Wi-Fi.
   */
  async #suitNetwork(): Promise<void> {
    if (this.#chosenQuality === null && !this.publishing) {
      await this.camera.setQuality(defaultQuality(navigator));
    }
  }

  /** The app opens every camera to find those that came, so that it looks only where somebody chooses, or misses one. */
  #watchDevices(): void {
    const missed = this.microphone.missed || (this.#mode !== 'voice' && this.camera.missed);
    if (!this.#closed && (missed || this.#choosers > 0)) {
      this.#unwatch ??= this.#engine.watchDevices();
    } else {
      this.#unwatch?.();
      this.#unwatch = null;
    }
  }

  readonly #devicesChanged = (): void => {
    void this.microphone.devicesChanged();
    if (this.#mode !== 'voice') {
      void this.camera.devicesChanged();
    }
  };

  /** The sound goes on: whoever looks something up while talking is still heard. */
  #sighted(inSight: boolean): void {
    this.outOfSight = !inSight;
    this.#apply();
  }

  /** Browsers show words of their own. */
  readonly #askFirst = (event: BeforeUnloadEvent): void => event.preventDefault();

  #begin(): void {
    this.#capture?.addEventListener('devicechange', this.#devicesChanged);
    this.#followed.push(followNetwork(window, () => this.#networkChanged()));
    if (isPocketable(window)) {
      this.#followed.push(followSight(document, (inSight) => this.#sighted(inSight)));
    }
    for (const input of [this.microphone, this.camera]) {
      void input.followPermission().then((end) => {
        if (this.#closed) {
          end();
        } else {
          this.#followed.push(end);
        }
      });
    }
  }

  async #openBoth(): Promise<void> {
    // Who is released or chosen anew meanwhile takes nothing of this.
    const [giveMicrophone, giveCamera] = [this.microphone.expect(), this.camera.expect()];
    // Names are told only after a permission; where there was one before, what was chosen then is found again.
    await Promise.all([this.camera.list(), this.microphone.list()]);
    const opened = await openBoth(
      this.#capture,
      this.microphone.constraints(this.microphone.preferredId),
      this.camera.constraints(this.camera.preferredId),
      async (device) => (await permissionOf(device))?.state ?? null,
    );
    giveMicrophone(opened.microphone);
    giveCamera(opened.camera);
  }

  #letGo(): void {
    this.screen.stop();
    this.camera.release();
    this.microphone.release();
  }

  /** The person has turned something on or off. */
  #turned(): void {
    this.#apply();
    keepTurnedOff({ sound: this.muted, picture: this.hidden });
  }

  #keep(): void {
    const preferences: Preferences = {
      camera: this.camera.remembered,
      microphone: this.microphone.remembered,
      quality: this.#chosenQuality,
      mirror: this.mirror,
      cleanVoice: this.microphone.clean,
    };
    keepPreferences(preferences);
  }

  /** Puts tracks and their on and off as they are to be. */
  #apply(): void {
    enable(this.microphone.track, !this.soundOff);
    enable(this.screen.sound, this.soundBarredBy === null);
    enable(this.camera.track, !this.pictureOff);
    enable(this.screen.picture, this.pictureBarredBy === null);
    const sent: [TrackSource, MediaStreamTrack | null][] = [
      ['microphone', this.microphone.track],
      ['camera', this.#mode === 'voice' ? null : this.camera.track],
      ['screen', this.screen.picture],
      ['screen_audio', this.screen.sound],
    ];
    sent.forEach(([source, track]) => {
      this.#publisher?.set(source, track);
      this.#mesh?.peers.set(source, track);
    });
    this.#tellStatus();
    this.#watchDevices();
  }

  #tellStatus(): void {
    this.#link?.send({
      action: 'update_media_status',
      audio_enabled: this.microphone.works && !this.soundOff,
      // A card says in its picture that a camera is lost.
      video_enabled: this.camera.track !== null && !this.pictureOff,
    });
  }

  #hear(message: ServerMessage): void {
    switch (message.type) {
      case 'current_participants':
        if (message.you.role === 'viewer') {
          this.#leave();
          return;
        }
        this.#barAsToldBy(message.you);
        this.#apply();
        break;
      case 'force_mute_audio':
        this.#bar('audio', message.by);
        this.#apply();
        break;
      case 'force_mute_video':
        this.#bar('video', message.by);
        this.#apply();
        break;
      case 'unmute_allowed':
        if (message.kind === 'audio') {
          this.soundBarredBy = null;
        } else {
          this.pictureBarredBy = null;
        }
        this.#apply();
        break;
      case 'demoted':
        if (message.new_role === 'viewer') {
          this.#leave();
        }
        return;
      case 'kicked':
        this.#leave();
        return;
      case 'session_ended':
        // A server that only restarts is back soon, with the same session.
        if (message.reason !== 'server_shutdown') {
          this.#leave();
        }
        return;
    }
    this.#publisher?.receive(message);
  }

  #barAsToldBy(you: Pick<Participant, 'audio_muted' | 'video_muted'>): void {
    this.#bar('audio', you.audio_muted ? (this.soundBarredBy ?? '') : null);
    this.#bar('video', you.video_muted ? (this.pictureBarredBy ?? '') : null);
  }

  /** What was turned off from outside stays off when it is allowed again, until the person turns it on. */
  #bar(kind: MediaKind, by: string | null): void {
    if (kind === 'audio') {
      this.soundBarredBy = by;
      this.muted ||= by !== null;
      return;
    }
    this.pictureBarredBy = by;
    this.hidden ||= by !== null;
    if (by !== null) {
      this.screen.stop();
    }
  }

  #leave(): void {
    void this.unpublish();
    this.#letGo();
  }
}

function needed(input: DeviceInput): boolean {
  return input.wanted && input.track === null && !input.opening;
}

function enable(track: MediaStreamTrack | null, enabled: boolean): void {
  if (track !== null) {
    track.enabled = enabled;
  }
}
