import { type Capture, browserCapture } from './capture';
import { SCREEN_FPS } from './quality';
import { NoMediaDevices, type Trouble, screenTrouble } from './trouble';

/** Sound as it is: what helps speech spoils music. `suppressLocalAudioPlayback` is off by default: one hears it oneself. */
const SOUND: MediaTrackConstraints = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

/** A shared screen, window or tab, with its sound where the browser gives it. */
export class ScreenShare {
  picture = $state.raw<MediaStreamTrack | null>(null);
  sound = $state.raw<MediaStreamTrack | null>(null);
  trouble = $state.raw<Trouble | null>(null);
  /** Whether the browser's choice of screens is open. */
  choosing = $state(false);
  /** Called when a track is another one, or none. */
  onchange: () => void = () => undefined;
  readonly possible: boolean;
  readonly #capture: Capture | null;
  /** Whether what is chosen is to be let go of at once, because nothing is shared any more: no page can close the choice. */
  #withdrawn = false;

  constructor(capture: Capture | null = browserCapture()) {
    this.#capture = capture;
    // Typed as always there; browsers of phones have none.
    this.possible = typeof (capture as Partial<Capture> | null)?.getDisplayMedia === 'function';
  }

  /** Asks which screen, and shares it. To be called from a click: browsers want one. */
  async start(): Promise<void> {
    this.#withdrawn = false;
    if (this.choosing || this.picture !== null) {
      return;
    }
    this.choosing = true;
    this.trouble = null;
    try {
      if (this.#capture === null) {
        throw new NoMediaDevices(isSecureContext);
      }
      const video: MediaTrackConstraints = { frameRate: { ideal: SCREEN_FPS, max: 30 } };
      const stream = await this.#capture.getDisplayMedia({ video, audio: SOUND });
      if (this.#withdrawn) {
        stream.getTracks().forEach((track) => track.stop());
      } else {
        this.#take(stream);
      }
    } catch (error) {
      this.trouble = this.#withdrawn ? null : screenTrouble(error);
    } finally {
      this.choosing = false;
    }
  }

  /** Shares no more, nor what is being chosen. */
  stop(): void {
    this.#withdrawn = this.choosing;
    const shared = [this.picture, this.sound].filter((track) => track !== null);
    shared.forEach((track) => {
      track.onended = null;
      track.stop();
    });
    this.picture = this.sound = null;
    if (shared.length > 0) {
      this.onchange();
    }
  }

  #take(stream: MediaStream): void {
    const [picture = null] = stream.getVideoTracks();
    const [sound = null] = stream.getAudioTracks();
    this.picture = picture;
    this.sound = sound;
    if (picture !== null) {
      picture.contentHint = 'detail';
      // The browser's own "stop sharing".
      picture.onended = () => this.stop();
    }
    if (sound !== null) {
      sound.contentHint = 'music';
      // A tab that is closed ends both; sound alone may end where another tab is shared instead.
      sound.onended = () => {
        this.sound = null;
        this.onchange();
      };
    }
    this.onchange();
  }
}
