import { mediaEngine } from '../media/current';
import { loudspeaker } from '../media/loudspeaker.svelte';

const STORED = 'footlight.player';

/** For how long a tap counts, in milliseconds: what browsers allow at the most (HTML, transient activation duration). */
const TAP_COUNTS = 5000;

/** Safari on iPhones puts only the video itself on the full screen, under its own name. */
type PhoneVideo = HTMLVideoElement & { webkitEnterFullscreen?: () => void };

/** How long after leaving that screen Safari may still pause the video, in milliseconds. */
const PAUSES_WITHIN_MS = 1000;

/** Nothing at all on iPhones, which have no full screen for other elements than videos. */
function fullScreenElement(): Element | null {
  return document.fullscreenElement ?? null;
}

/** Whether a video alone can be put on the full screen. */
function phoneFullScreen(): boolean {
  const videos = typeof HTMLVideoElement === 'function' && 'webkitEnterFullscreen' in HTMLVideoElement.prototype;
  return videos && mediaEngine().surface === 'video';
}

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

/** Sound of everybody, full screen and picture-in-picture of the stage. */
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
  readonly canPictureInPicture = document.pictureInPictureEnabled === true && mediaEngine().surface === 'video';
  readonly canFullScreen = document.fullscreenEnabled === true || phoneFullScreen();
  #main: HTMLVideoElement | null = null;
  /** The small window was asked for when there was no picture yet to show in it, and opens with one that comes before this. */
  #wantsSmallUntil = -Infinity;
  /** Elements with sound in them. Those that only show a picture are silent by themselves. */
  #sounding: readonly HTMLMediaElement[] = [];

  constructor() {
    const { muted, volume } = recall();
    this.muted = muted;
    this.volume = volume;
    this.#tellEngine();
  }

  /** Observes the page. Returns what ends it. */
  start(): () => void {
    const fullScreen = () => (this.fullScreen = fullScreenElement() !== null);
    // Fired for one picture after another where the small window goes on with the next.
    const small = () => (this.inPicture = document.pictureInPictureElement !== null);
    document.addEventListener('fullscreenchange', fullScreen);
    document.addEventListener('enterpictureinpicture', small);
    document.addEventListener('leavepictureinpicture', small);
    const endFollowing = loudspeaker.follow();
    return () => {
      endFollowing();
      document.removeEventListener('fullscreenchange', fullScreen);
      document.removeEventListener('enterpictureinpicture', small);
      document.removeEventListener('leavepictureinpicture', small);
    };
  }

  /**
   * The element whose picture stands for all where there is room for one; to be used as an attachment. A small window that
   * is open goes on with it: only the first time do browsers want a tap for that (W3C Picture-in-Picture §4.1).
   */
  readonly main = (video: HTMLVideoElement): (() => void) => {
    this.#main = video;
    const follow = () => {
      const shown = document.pictureInPictureElement ?? null;
      if (this.#main === video && shown !== video && (shown !== null || this.#wantsSmall())) {
        void this.#makeSmall(video);
      }
    };
    follow();
    video.addEventListener('loadedmetadata', follow);
    const endPlaying = this.#playOnAfterFullScreen(video);
    return () => {
      endPlaying();
      video.removeEventListener('loadedmetadata', follow);
      if (this.#main === video) {
        this.#main = null;
      }
    };
  };

  /** iPhones pause a video that leaves the full screen, before they tell of it or after. What is live goes on. */
  #playOnAfterFullScreen(video: HTMLVideoElement): () => void {
    let leftAt = -Infinity;
    const playOn = () => {
      void this.play();
      video.play().catch(() => undefined);
    };
    const left = () => {
      leftAt = performance.now();
      playOn();
    };
    const paused = () => {
      if (performance.now() - leftAt < PAUSES_WITHIN_MS) {
        playOn();
      }
    };
    video.addEventListener('webkitendfullscreen', left);
    video.addEventListener('pause', paused);
    return () => {
      video.removeEventListener('webkitendfullscreen', left);
      video.removeEventListener('pause', paused);
    };
  }

  /** Takes charge of an element that has sound. Returns what lets go of it. */
  carry(element: HTMLMediaElement): () => void {
    element.volume = this.volume;
    element.muted = this.muted || this.soundBlocked;
    this.#sounding = [...this.#sounding, element];
    const release = 'setSinkId' in element ? loudspeaker.carry(element) : undefined;
    return () => {
      release?.();
      this.#sounding = this.#sounding.filter((one) => one !== element);
    };
  }

  /** Observes the stage; to be used as an attachment. Whoever taps a silent picture means its sound. */
  readonly listenForTaps = (stage: HTMLElement): (() => void) => {
    const tapped = (event: Event) => {
      const onButton = event.target instanceof Element && event.target.closest('button, input, a') !== null;
      if (this.soundBlocked && !onButton) {
        this.toggleSound();
      }
    };
    stage.addEventListener('click', tapped);
    return () => stage.removeEventListener('click', tapped);
  };

  /** Plays with sound, or without where the browser wants a tap first. */
  async play(): Promise<void> {
    await Promise.all(this.#sounding.map((element) => this.#play(element)));
  }

  async #play(element: HTMLMediaElement): Promise<void> {
    element.muted = this.muted || this.soundBlocked;
    try {
      await element.play();
    } catch (error) {
      if (!(error instanceof DOMException && error.name === 'NotAllowedError') || element.muted) {
        return;
      }
      this.soundBlocked = true;
      // A browser that refuses even a silent picture plays it after the tap that asks for sound.
      for (const one of this.#sounding) {
        one.muted = true;
        one.play().catch(() => undefined);
      }
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
    for (const element of this.#sounding) {
      element.volume = this.volume;
    }
    void this.play();
    this.#tellEngine();
    try {
      localStorage.setItem(STORED, JSON.stringify({ muted: this.muted, volume: this.volume } satisfies Remembered));
    } catch {
      // Forgotten with the page, then.
    }
  }

  #tellEngine(): void {
    mediaEngine().setVolume?.(this.muted ? 0 : this.volume);
  }

  /** @param stage - what fills the screen: the picture with all that lies over it */
  async toggleFullScreen(stage: HTMLElement): Promise<void> {
    try {
      if (fullScreenElement() !== null) {
        await document.exitFullscreen();
      } else if (document.fullscreenEnabled) {
        await stage.requestFullscreen({ navigationUI: 'hide' });
      } else {
        (this.#main as PhoneVideo | null)?.webkitEnterFullscreen?.();
      }
    } catch {
      // The browser said no; the page stays as it is.
    }
  }

  /** A small window over all others; where there is no picture yet, as soon as there is one. */
  async togglePictureInPicture(): Promise<void> {
    const opens = document.pictureInPictureElement === null;
    this.#wantsSmallUntil = opens ? performance.now() + TAP_COUNTS : -Infinity;
    if (!opens) {
      // It can have been closed in the meantime.
      await document.exitPictureInPicture().catch(() => undefined);
    } else if (this.#main !== null) {
      await this.#makeSmall(this.#main);
    }
  }

  #wantsSmall(): boolean {
    return performance.now() < this.#wantsSmallUntil;
  }

  async #makeSmall(video: HTMLVideoElement): Promise<void> {
    try {
      await video.requestPictureInPicture();
      this.#wantsSmallUntil = -Infinity;
    } catch (error) {
      // An element without a picture yet is refused so, and asks again when it has one. Anything else, as that the tap was too
      // long ago, stays as it is (W3C Picture-in-Picture §4.1).
      if (!(error instanceof DOMException && error.name === 'InvalidStateError')) {
        this.#wantsSmallUntil = -Infinity;
      }
    }
  }
}
