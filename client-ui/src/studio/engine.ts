import type { Surface } from '../media/engine';
import { relay } from '../media/relay';
import { type SendSample, readSendStats } from '../media/sending';
import { type Capture, browserCapture } from './capture';
import { measureLevel } from './level';

/** How a recording is doing. */
export interface Recorded {
  /** The files so far, the one that is being written last. */
  readonly files: readonly string[];
  /** How much of it can be watched. */
  readonly seconds: number;
  /** Pictures and sounds that the disk was too slow for. */
  readonly lost: number;
  /** Why it ended before it was stopped. */
  readonly problem?: string;
}

/** Records what is sent, as it is sent. */
export interface Recorder {
  /** Begins a recording named after `title`; answers the folder. Rejects with words for people. */
  start(title: string): Promise<string>;
  /** What there is of the recording that runs, or has broken off; `null` where there is none. */
  state(): Promise<Recorded | null>;
  /** Ends it, when all of it is written. */
  stop(): Promise<Recorded | null>;
}

/** What captures, shows and sends what a person shows and says. */
export interface StudioEngine {
  /** The devices; `null` in a page that may not know of any. */
  readonly capture: Capture | null;
  /** What one's own picture is to be shown in. */
  readonly surface: 'video' | 'canvas';
  /** Keeps what is sent on this computer; `null` where a page cannot. */
  readonly recorder: Recorder | null;
  /**
   * Looks for devices that come and go, until what it returns is called. {@link capture} tells of them as a browser's does,
   * and may miss those that come and go while nobody looks.
   */
  watchDevices(): () => void;
  /** A connection for {@link Publisher}, which uses no more of it than a `StudioConnection` has. */
  createConnection(): RTCPeerConnection;
  /** How sending on such a connection goes; `null` where nothing is sent yet. */
  sample(connection: RTCPeerConnection): Promise<SendSample | null>;
  /** Shows a track of {@link capture} to the person it is of; `null` shows nothing. Returns what ends it. */
  show(surface: Surface, track: MediaStreamTrack | null): () => void;
  /**
   * Measures a microphone of {@link capture} as often as the screen is drawn.
   *
   * @param shown - called with the level, 0 to 1
   * @returns what ends it
   */
  measureLevel(track: MediaStreamTrack, shown: (level: number) => void): () => void;
}

/** The browser's own devices and connections. */
export const browserStudioEngine: StudioEngine = {
  get capture() {
    return browserCapture();
  },
  surface: 'video',
  recorder: null,
  // Browsers look by themselves.
  watchDevices: () => () => undefined,
  createConnection: () => new RTCPeerConnection(relay.configuration),
  async sample(connection) {
    const report = await connection.getStats();
    return readSendStats(report as unknown as Iterable<readonly [string, unknown]>, performance.now());
  },
  show(surface, track) {
    if (!(surface instanceof HTMLVideoElement)) {
      return () => undefined;
    }
    // Set by hand: an attribute that comes after the element has no say (HTML §4.8.11.13).
    surface.muted = true;
    surface.srcObject = track === null ? null : new MediaStream([track]);
    return () => (surface.srcObject = null);
  },
  measureLevel,
};

let current = browserStudioEngine;

/** What the studio of these pages runs on. */
export function studioEngine(): StudioEngine {
  return current;
}

/** Chooses another engine, before any device is asked for. */
export function useStudioEngine(engine: StudioEngine): void {
  current = engine;
}
