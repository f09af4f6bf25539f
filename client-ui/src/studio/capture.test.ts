import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Capture, openBoth, openOne } from './capture';
import { fakeTrack } from './fake-connection';
import { causeOf } from './trouble';

/** Devices that open or fail as they are told. */
function devices(failing: { audio?: string; video?: string }): { capture: Capture; asked: string[] } {
  const asked: string[] = [];
  const capture = {
    getUserMedia: (constraints: MediaStreamConstraints) => {
      asked.push(Object.keys(constraints).join(' and '));
      for (const kind of ['audio', 'video'] as const) {
        const failure = constraints[kind] === undefined ? undefined : failing[kind];
        if (failure !== undefined) {
          return Promise.reject(new DOMException('', failure));
        }
      }
      return Promise.resolve({
        getAudioTracks: () => [fakeTrack('audio')],
        getVideoTracks: () => [fakeTrack('video')],
      });
    },
  };
  return { capture: capture as unknown as Capture, asked };
}

afterEach(() => void vi.unstubAllGlobals());

const nothingKnown = () => Promise.resolve(null);

describe('openBoth', () => {
  it('asks the person once', async () => {
    const { capture, asked } = devices({});
    const { camera, microphone } = await openBoth(capture, {}, {}, nothingKnown);
    expect([camera.track?.kind, microphone.track?.kind]).toEqual(['video', 'audio']);
    expect(asked).toEqual(['audio and video']);
  });

  it('finds out which of the two it is that fails', async () => {
    const { capture, asked } = devices({ video: 'NotReadableError' });
    const { camera, microphone } = await openBoth(capture, {}, {}, nothingKnown);
    expect(causeOf(camera.error)).toBe('busy');
    expect(microphone.track?.kind).toBe('audio');
    expect(asked).toEqual(['audio and video', 'audio', 'video']);
  });

  it('does not ask again what was refused, but uses what was not', async () => {
    const { capture, asked } = devices({ video: 'NotAllowedError' });
    const { camera, microphone } = await openBoth(capture, {}, {}, (device) =>
      Promise.resolve(device === 'microphone' ? 'granted' : 'denied'),
    );
    expect(causeOf(camera.error)).toBe('refused');
    expect(microphone.track?.kind).toBe('audio');
    expect(asked).toEqual(['audio and video', 'audio']);
  });
});

describe('openOne', () => {
  it.each([
    [false, 'insecure'],
    [true, 'unsupported'],
  ])('has nothing to ask where there are no devices: secure %s', async (secure, cause) => {
    vi.stubGlobal('isSecureContext', secure);
    expect(causeOf((await openOne(null, 'video', {})).error)).toBe(cause);
  });
});
