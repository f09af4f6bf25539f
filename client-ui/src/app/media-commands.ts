import { Channel } from '@tauri-apps/api/core';
import type { Wanted } from '../media/engine';
import type { MediaSample } from '../media/sample';
import type { MediaKind, TrackSource } from '../protocol/bindings';
import { call } from './commands';
import type { PageCodec } from './slot-decoder';

/** A camera, a microphone, a screen or a loudspeaker. */
export interface CaptureDevice {
  readonly id: string;
  readonly name: string;
}

/** All that can be captured. */
export interface CaptureDevices {
  readonly cameras: readonly CaptureDevice[];
  readonly microphones: readonly CaptureDevice[];
}

/** The chosen loudspeaker is lost, and the system's own plays in its place. */
export interface LoudspeakerLost {
  /** Its id. */
  readonly device: string;
}

/** A screen or a window. */
export interface CaptureScreen extends CaptureDevice {
  readonly kind: 'screen' | 'window';
}

/** What is done to a microphone's sound. */
export interface VoiceProcessing {
  readonly echo_cancellation: boolean;
  readonly noise_suppression: boolean;
  readonly gain_control: boolean;
}

/** What a source is opened with; sizes are of the encoded picture, in pixels. */
export interface SourceWish {
  readonly place: TrackSource;
  /** `null` for the system's default. */
  readonly device: string | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly fps: number | null;
  readonly bitrate_bps: number | null;
  /** `null` where there is no voice in it. */
  readonly voice: VoiceProcessing | null;
}

/** `lost` may come back, and the app tries to have it back; `gone` does not, as a window that was closed. */
export interface SourceState {
  readonly state: 'starting' | 'live' | 'lost' | 'gone';
}

/** How a source is doing. */
export interface SourceStats {
  readonly place: TrackSource;
  readonly on: boolean;
  readonly video?: {
    readonly source: string;
    readonly state: SourceState;
    readonly resolution: { readonly width: number; readonly height: number };
    /** Pictures encoded per second. */
    readonly encode_fps: number;
  };
  readonly audio?: { readonly source: string; readonly state: SourceState };
}

/** How everything is doing that is captured and sent. */
export interface StudioFigures {
  readonly studio: {
    readonly sources: readonly SourceStats[];
    /** In dB below full scale; `null` for silence. */
    readonly level_dbfs: number | null;
  };
  /** `null` while nothing is sent. */
  readonly connection: {
    readonly bytes_sent: number;
    /** 0 to 1. */
    readonly loss: number;
    readonly round_trip_ms: number | null;
    readonly estimate_bps: number;
  } | null;
  readonly recording: Recording | null;
}

/** A recording on this computer. */
export interface Recording {
  readonly files: readonly string[];
  readonly bytes: number;
  readonly seconds: number;
  readonly lost: number;
  readonly problem?: string;
}

/** What is to be sent to the server. */
export interface PublishOffer {
  readonly sdp: string;
  /** The source of each media section. */
  readonly sources: Readonly<Record<string, TrackSource>>;
}

/** How far a sending connection is. */
export type PublishConnectionState = 'connecting' | 'connected' | 'interrupted' | 'failed';

/** A place for a track of somebody's. */
export interface NativeSlot {
  readonly mid: string;
  readonly kind: MediaKind;
}

/** An offer to receive. */
export interface SlotsOffer {
  readonly sdp: string;
  readonly slots: readonly NativeSlot[];
}

/** The media commands of the app, each as `src-tauri/src/media/commands.rs` describes it. All reject with `CommandFailed`. */
export const mediaCommands = {
  captureDevices: () => call<CaptureDevices>('capture_devices'),
  captureScreens: () => call<CaptureScreen[]>('capture_screens'),
  screenPicture: (screen: string) => call<ArrayBuffer>('screen_picture', { screen }),
  openSource: (wish: SourceWish) => call<SourceStats>('open_source', { wish }),
  closeSource: (place: TrackSource) => call('close_source', { place }),
  turnSource: (place: TrackSource, on: boolean) => call('turn_source', { place, on }),
  studioFigures: () => call<StudioFigures>('studio_figures'),
  preview: (place: TrackSource) => call<string>('preview', { place }),
  publishOffer: (sources: readonly TrackSource[], heard: (state: PublishConnectionState) => void) =>
    call<PublishOffer & { readonly connection: number }>('publish_offer', {
      sources,
      states: new Channel<PublishConnectionState>(heard),
    }),
  publishAgain: (connection: number, sources: readonly TrackSource[]) =>
    call<PublishOffer>('publish_again', { connection, sources }),
  publishAccept: (connection: number, sdp: string) => call('publish_accept', { connection, sdp }),
  publishCandidate: (connection: number, candidate: string) => call('publish_candidate', { connection, candidate }),
  publishClose: (connection: number) => call('publish_close', { connection }),
  /** `encoded`: what the page decodes. */
  subscribe: (wanted: Wanted, encoded: readonly PageCodec[], heard: (state: PublishConnectionState) => void) =>
    call<SlotsOffer & { readonly subscription: number }>('subscribe', {
      wanted,
      encoded,
      states: new Channel<PublishConnectionState>(heard),
    }),
  subscribeAgain: (subscription: number, wanted: Wanted) =>
    call<SlotsOffer>('subscribe_again', { subscription, wanted }),
  subscribeAccept: (subscription: number, sdp: string) => call('subscribe_accept', { subscription, sdp }),
  slotPictures: (subscription: number, mid: string) => call<string>('slot_pictures', { subscription, mid }),
  setVolume: (subscription: number, volume: number) => call('set_volume', { subscription, volume }),
  loudspeakers: () => call<CaptureDevice[]>('loudspeakers'),
  /** `null` for the system's own. */
  chooseLoudspeaker: (device: string | null) => call('choose_loudspeaker', { device }),
  followLoudspeaker: (lost: (loss: LoudspeakerLost) => void) =>
    call('follow_loudspeaker', { losses: new Channel<LoudspeakerLost>(lost) }),
  subscriptionSample: (subscription: number) => call<MediaSample | null>('subscription_sample', { subscription }),
  unsubscribe: (subscription: number) => call('unsubscribe', { subscription }),
  startRecording: (title: string) => call<string>('start_recording', { title }),
  stopRecording: () => call<Recording | null>('stop_recording'),
};

/** Tests bring their own. */
export type MediaCommands = typeof mediaCommands;
