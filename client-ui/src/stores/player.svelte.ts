const STORED = 'footlight.player';

/** Safari on iPhones puts only the video itself on the full screen, under its own name. */
type PhoneVideo = HTMLVideoElement & { webkitEnterFullscreen?: () => void };

interface Remembered {
  readonly muted: boolean;
  readonly volume: number;
}

function recall(): Remembered {
  try {
    const stored = JSON.parse(localStorage.getItem(STORED) ?? '{}') as Partial<Remembered>;
    const volume = typeof stored.volume === 'number' && stored.volume >= 0 && stored.volume <= 1 ? stored.volume : 1;
    return { muted: stored.muted === true, volume };
  } catch {
    // Storage can be forbidden, or hold what another version wrote.
    return { muted: false, volume: 1 };
  }
}

/** Sound, full screen and picture-in-picture of the stage. */
export class Player {
  /** What the person wants; {@link soundBlocked} says whether the browser lets them have it. */
  muted = $state(false);
  /** 0 to 1. */
  volume = $state(1);
  /** The browser plays sound only after a tap. */
  soundBlocked = $state(false);
  fullScreen = $state(false);
  inPicture = $state(false);
  silent = $derived(this.muted || this.soundBlocked || this.volume === 0);
  readonly canPictureInPicture = document.pictureInPictureEnabled === true;
  #video: HTMLVideoElement | null = null;

  constructor() {
    const { muted, volume } = recall();
    this.muted = muted;
    this.volume = volume;
  }

  /** Takes charge of the element. Returns what lets go of it. */
  adopt(video: HTMLVideoElement): () => void {
    this.#video = video;
    video.volume = this.volume;
    const fullScreen = () => (this.fullScreen = document.fullscreenElement !== null);
    const entered = () => (this.inPicture = true);
    const left = () => (this.inPicture = false);
    // Whoever taps the silent picture means its sound.
    const tapped = () => {
      if (this.soundBlocked) {
        this.toggleSound();
      }
    };
    video.addEventListener('click', tapped);
    document.addEventListener('fullscreenchange', fullScreen);
    video.addEventListener('enterpictureinpicture', entered);
    video.addEventListener('leavepictureinpicture', left);
    return () => {
      video.removeEventListener('click', tapped);
      document.removeEventListener('fullscreenchange', fullScreen);
      video.removeEventListener('enterpictureinpicture', entered);
      video.removeEventListener('leavepictureinpicture', left);
      this.#video = null;
    };
  }

  /** Plays with sound, or without where the browser wants a tap first. */
  async play(): Promise<void> {
    const video = this.#video;
    if (video === null) {
      return;
    }
    video.muted = this.muted || this.soundBlocked;
    try {
      await video.play();
    } catch (error) {
      if (!(error instanceof DOMException && error.name === 'NotAllowedError') || video.muted) {
        return;
      }
      this.soundBlocked = true;
      video.muted = true;
      // A browser that refuses even a silent picture plays it after the tap that asks for sound.
      await video.play().catch(() => undefined);
    }
  }

  /** To be called from a tap or a key: that is what the browser waited for. */
  toggleSound(): void {
    this.muted = this.soundBlocked ? false : !this.muted;
    if (!this.muted && this.volume === 0) {
      this.volume = 1;
    }
    this.#apply();
  }

  /** @param volume - 0 to 1 */
  setVolume(volume: number): void {
    this.volume = Math.min(1, Math.max(0, volume));
    this.muted = false;
    this.#apply();
  }

  #apply(): void {
    this.soundBlocked = false;
    if (this.#video !== null) {
      this.#video.volume = this.volume;
      void this.play();
    }
    try {
      localStorage.setItem(STORED, JSON.stringify({ muted: this.muted, volume: this.volume } satisfies Remembered));
    } catch {
      // Forgotten with the page, then.
    }
  }

  /** @param stage - what fills the screen: the picture with all that lies over it */
  async toggleFullScreen(stage: HTMLElement): Promise<void> {
    try {
      if (document.fullscreenElement !== null) {
        await document.exitFullscreen();
      } else if (document.fullscreenEnabled) {
        await stage.requestFullscreen({ navigationUI: 'hide' });
      } else {
        (this.#video as PhoneVideo | null)?.webkitEnterFullscreen?.();
      }
    } catch {
      // The browser said no; the page stays as it is.
    }
  }

  /** A small window over all others. */
  async togglePictureInPicture(): Promise<void> {
    try {
      if (document.pictureInPictureElement !== null) {
        await document.exitPictureInPicture();
      } else {
        await this.#video?.requestPictureInPicture();
      }
    } catch {
      // There is no picture yet; the button does nothing then.
    }
  }
}
