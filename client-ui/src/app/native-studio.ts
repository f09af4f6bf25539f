import type { SendSample } from '../media/sending';
import { fallTo, levelOf } from '../studio/level';
import type { Recorder, StudioEngine } from '../studio/engine';
import { type MediaCommands, type StudioFigures, mediaCommands } from './media-commands';
import { drawPictures } from './moving-picture';
import { NativeConnection } from './native-connection';
import { type ChooseScreen, NativeDevices, NativeTrack } from './native-devices';

/** How often the level of the microphone is asked for. */
const LEVEL_EVERY_MS = 100;

/** Captures, encodes and sends in the app. */
export function nativeStudioEngine(chooseScreen: ChooseScreen, commands: MediaCommands = mediaCommands): StudioEngine {
  const devices = new NativeDevices(commands, chooseScreen);
  return {
    capture: devices.capture,
    surface: 'canvas',
    recorder: recorderOf(commands),
    watchDevices: () => devices.watch(),
    createConnection: () => new NativeConnection(commands).rtc,
    sample: async () => sampleOf(await commands.studioFigures(), performance.now()),
    show(surface, track) {
      const shown: unknown = track;
      return surface instanceof HTMLCanvasElement && shown instanceof NativeTrack
        ? showPreview(commands, surface, shown)
        : () => undefined;
    },
    measureLevel: (_, shown) => measureLevel(commands, shown),
  };
}

function sampleOf({ studio, connection }: StudioFigures, atMs: number): SendSample | null {
  if (connection === null) {
    return null;
  }
  const pictures = studio.sources.map(({ video }) => video).filter((video) => video !== undefined);
  const [largest] = pictures.toSorted((a, b) => b.resolution.height - a.resolution.height);
  return {
    atMs,
    width: largest?.resolution.width ?? 0,
    height: largest?.resolution.height ?? 0,
    fps: largest?.encode_fps ?? 0,
    bytes: connection.bytes_sent,
    loss: connection.loss,
    roundTripMs: connection.round_trip_ms,
    estimateBps: connection.estimate_bps,
  };
}

function recorderOf(commands: MediaCommands): Recorder {
  return {
    start: (title) => commands.startRecording(title),
    state: async () => (await commands.studioFigures()).recording,
    stop: () => commands.stopRecording(),
  };
}

function showPreview(commands: MediaCommands, surface: HTMLCanvasElement, track: NativeTrack): () => void {
  let ended = false;
  let end = (): void => undefined;
  commands.preview(track.place).then(
    (url) => {
      if (!ended) {
        end = drawPictures(surface, url);
      }
    },
    // The source was closed meanwhile.
    () => undefined,
  );
  return () => {
    ended = true;
    end();
  };
}

function measureLevel(commands: MediaCommands, shown: (level: number) => void): () => void {
  let level = 0;
  let asking = false;
  const timer = setInterval(() => {
    if (asking || document.hidden) {
      return;
    }
    asking = true;
    commands
      .studioFigures()
      .then(({ studio }) => {
        level = fallTo(level, studio.level_dbfs === null ? 0 : levelOf(studio.level_dbfs));
        shown(level);
      })
      .catch(() => undefined)
      .finally(() => (asking = false));
  }, LEVEL_EVERY_MS);
  return () => clearInterval(timer);
}
