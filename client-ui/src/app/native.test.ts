import { describe, expect, it, vi } from 'vitest';
import type { TrackSource } from '../protocol/bindings';
import { CommandFailed } from './commands';
import type { CaptureScreen, MediaCommands, PublishConnectionState, SourceState, SourceWish } from './media-commands';
import { NativeConnection } from './native-connection';
import { type ChooseScreen, NativeDevices, NativeTrack } from './native-devices';
import { screenChoice } from './screen-choice.svelte';

/** An app that notes what it is asked for. */
function fakeApp(screens: readonly CaptureScreen[] = []) {
  const asked: string[] = [];
  /** How the devices are doing; those that are not named are not open. */
  const states: Partial<Record<TrackSource, SourceState['state']>> = {};
  let heard: (state: PublishConnectionState) => void = () => undefined;
  let connection = 0;
  const sections = (sources: readonly TrackSource[]) =>
    Object.fromEntries(sources.map((source, index) => [String(index), source]));
  const commands = {
    captureDevices: vi.fn(() =>
      Promise.resolve({
        cameras: [
          { id: '/dev/video0', name: 'Desk camera' },
          { id: 'footlight:pattern', name: 'Test pattern' },
        ],
        microphones: [{ id: 'default', name: 'Headset' }],
      }),
    ),
    captureScreens: () => Promise.resolve(screens),
    studioFigures: () => {
      const sources = Object.entries(states).map(([place, state]) => ({
        place,
        on: true,
        [place === 'microphone' ? 'audio' : 'video']: { state: { state } },
      }));
      return Promise.resolve({ studio: { sources } });
    },
    openSource: vi.fn((wish: SourceWish) => {
      asked.push(`open ${wish.place} ${wish.device} ${wish.width}x${wish.height} ${wish.bitrate_bps}`);
      return Promise.resolve({ place: wish.place, on: true });
    }),
    closeSource: (place: TrackSource) => note(`close ${place}`),
    turnSource: (place: TrackSource, on: boolean) => note(`turn ${place} ${on ? 'on' : 'off'}`),
    publishOffer: (sources: readonly TrackSource[], listener: typeof heard) => {
      heard = listener;
      connection += 1;
      asked.push(`offer ${sources.join(' ')}`);
      return Promise.resolve({ connection, sdp: `offer ${connection}`, sources: sections(sources) });
    },
    publishAgain: (id: number, sources: readonly TrackSource[]) => {
      asked.push(`again ${id} ${sources.join(' ')}`);
      return Promise.resolve({ sdp: 'again', sources: sections(sources) });
    },
    publishAccept: (id: number, sdp: string) => note(`accept ${id} ${sdp}`),
    publishCandidate: (id: number, candidate: string) => note(`candidate ${id} ${candidate}`),
    publishClose: (id: number) => note(`hang up ${id}`),
  };
  function note(what: string): Promise<void> {
    asked.push(what);
    return Promise.resolve();
  }
  return {
    asked,
    states,
    commands: commands as unknown as MediaCommands,
    openSource: commands.openSource,
    captureDevices: commands.captureDevices,
    hear: (state: PublishConnectionState) => heard(state),
  };
}

/** Devices of a person who takes the last of what they are asked about, unless they choose otherwise. */
function devicesOf(
  commands: MediaCommands,
  choose: ChooseScreen = (screens) => Promise.resolve(screens.at(-1) ?? null),
): NativeDevices {
  return new NativeDevices(commands, choose);
}

async function cameraOf(devices: NativeDevices, constraints: MediaTrackConstraints = {}): Promise<NativeTrack> {
  const [track] = (await devices.getUserMedia({ video: constraints })).getVideoTracks();
  return track as unknown as NativeTrack;
}

async function microphoneOf(devices: NativeDevices): Promise<NativeTrack> {
  const [track] = (await devices.getUserMedia({ audio: true })).getAudioTracks();
  return track as unknown as NativeTrack;
}

describe('the devices of the app', () => {
  it('are listed as a browser lists its own', async () => {
    const listed = await devicesOf(fakeApp().commands).enumerateDevices();
    expect(listed.map(({ kind, label }) => `${kind} ${label}`)).toEqual([
      'videoinput Desk camera',
      'videoinput Test pattern',
      'audioinput Headset',
    ]);
  });

  it('open what was chosen, at the size that was asked for', async () => {
    const { asked, commands } = fakeApp();
    const track = await cameraOf(devicesOf(commands), {
      deviceId: { exact: 'footlight:pattern' },
      height: { ideal: 360 },
      width: { ideal: 640 },
    });
    expect(asked[0]).toBe('open camera footlight:pattern 640x360 700000');
    expect(track.label).toBe('Test pattern');
    expect(track.getSettings()).toMatchObject({ deviceId: 'footlight:pattern', height: 360 });
  });

  it('are closed and opened in the order in which that was asked for', async () => {
    const { asked, commands } = fakeApp();
    const devices = devicesOf(commands);
    const first = await cameraOf(devices);
    first.stop();
    await cameraOf(devices);
    const order = asked.filter((what) => !what.startsWith('turn')).map((what) => what.split(' ')[0]);
    expect(order).toEqual(['open', 'close', 'open']);
  });

  it('end a shared window that was closed, and no other', async () => {
    vi.useFakeTimers();
    try {
      const window = { id: 'window-7', name: 'A letter', kind: 'window', width: 640, height: 360, primary: false };
      const { asked, commands, states } = fakeApp([window as unknown as CaptureScreen]);
      const [shared] = (await devicesOf(commands).getDisplayMedia()).getVideoTracks();
      const track = shared as unknown as NativeTrack;
      const ended = vi.fn();
      track.onended = ended;
      states.screen = 'lost';
      await vi.advanceTimersByTimeAsync(3_000);
      expect(track.readyState).toBe('live');
      states.screen = 'gone';
      await vi.advanceTimersByTimeAsync(3_000);
      expect(track.readyState).toBe('ended');
      expect(ended).toHaveBeenCalledOnce();
      expect(asked.at(-1)).toBe('close screen');
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('are looked for while somebody wants to know of those that come and go, and no longer', async () => {
    vi.useFakeTimers();
    try {
      const { captureDevices, commands } = fakeApp();
      const devices = devicesOf(commands);
      const changed = vi.fn();
      devices.addEventListener('devicechange', changed);
      await devices.enumerateDevices();
      await vi.advanceTimersByTimeAsync(10_000);
      expect(captureDevices).toHaveBeenCalledOnce();
      const ends = [devices.watch(), devices.watch()];
      await vi.advanceTimersByTimeAsync(3_000);
      expect([captureDevices.mock.calls.length, changed.mock.calls.length]).toEqual([3, 0]);
      captureDevices.mockResolvedValue({ cameras: [], microphones: [] });
      ends[0]?.();
      ends[0]?.();
      await vi.advanceTimersByTimeAsync(6_000);
      expect(changed).toHaveBeenCalledOnce();
      ends[1]?.();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('are told of that came or went while nobody wanted to know', async () => {
    const { captureDevices, commands } = fakeApp();
    const devices = devicesOf(commands);
    const changed = vi.fn();
    devices.addEventListener('devicechange', changed);
    await devices.enumerateDevices();
    captureDevices.mockResolvedValue({ cameras: [], microphones: [] });
    const end = devices.watch();
    await vi.waitFor(() => expect(changed).toHaveBeenCalledOnce());
    end();
  });

  it.each(['camera', 'microphone'] as const)('tell that the %s is lost, and that it is back', async (place) => {
    vi.useFakeTimers();
    try {
      const { asked, commands, states } = fakeApp();
      const devices = devicesOf(commands);
      const track = place === 'camera' ? await cameraOf(devices) : await microphoneOf(devices);
      const told: boolean[] = [];
      track.onlost = (lost) => told.push(lost);
      for (const state of ['starting', 'live', 'lost', 'lost', 'live', 'live'] as const) {
        states[place] = state;
        await vi.advanceTimersByTimeAsync(1_000);
      }
      expect(told).toEqual([true, false]);
      expect(track.readyState).toBe('live');
      expect(asked.filter((what) => what.startsWith('open'))).toHaveLength(1);
      track.stop();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('that are lost are not opened anew for another size, which they get when they are back', async () => {
    vi.useFakeTimers();
    try {
      const { asked, commands, states } = fakeApp();
      const track = await cameraOf(devicesOf(commands));
      states.camera = 'lost';
      await vi.advanceTimersByTimeAsync(1_000);
      await track.applyConstraints({ height: { ideal: 360 }, width: { ideal: 640 } });
      expect(asked.filter((what) => what.startsWith('open'))).toHaveLength(1);
      states.camera = 'live';
      await vi.advanceTimersByTimeAsync(1_000);
      expect(asked.at(-1)).toBe('open camera /dev/video0 640x360 700000');
      track.stop();
    } finally {
      vi.useRealTimers();
    }
  });

  it('are lost for the track that is newest alone, and not before its device has opened', async () => {
    vi.useFakeTimers();
    try {
      const { commands, openSource, states } = fakeApp();
      const devices = devicesOf(commands);
      const desk = await cameraOf(devices);
      let open: () => void = () => undefined;
      openSource.mockImplementationOnce(
        (wish) => new Promise((resolve) => (open = () => resolve({ place: wish.place, on: true }))),
      );
      const opening = cameraOf(devices, { deviceId: { exact: 'footlight:pattern' } });
      const told: string[] = [];
      desk.onlost = () => told.push('desk');
      states.camera = 'lost';
      await vi.advanceTimersByTimeAsync(2_000);
      expect(told).toEqual([]);
      states.camera = 'live';
      open();
      (await opening).onlost = () => told.push('pattern');
      states.camera = 'lost';
      await vi.advanceTimersByTimeAsync(2_000);
      expect(told).toEqual(['pattern']);
      desk.stop();
      (await opening).stop();
    } finally {
      vi.useRealTimers();
    }
  });

  it('are closed with the last track, and until then go on with what the one that is left was opened with', async () => {
    const { asked, commands } = fakeApp();
    const devices = devicesOf(commands);
    const [pattern, desk] = [
      await cameraOf(devices, { deviceId: { exact: 'footlight:pattern' } }),
      await cameraOf(devices),
    ];
    desk.stop();
    await vi.waitFor(() => expect(asked.at(-1)).toBe('open camera footlight:pattern 1280x720 2500000'));
    expect(pattern.readyState).toBe('live');
    pattern.stop();
    await vi.waitFor(() => expect(asked.at(-1)).toBe('close camera'));
  });

  it('stay open for the track that is being opened when the one before is stopped', async () => {
    const { asked, commands } = fakeApp();
    const devices = devicesOf(commands);
    const desk = await cameraOf(devices);
    const opening = cameraOf(devices, { deviceId: { exact: 'footlight:pattern' } });
    await Promise.resolve();
    await Promise.resolve();
    desk.stop();
    expect((await opening).readyState).toBe('live');
    await vi.waitFor(() => expect(asked.at(-1)).toBe('turn camera on'));
    expect(asked).not.toContain('close camera');
  });

  it('that do not open are closed, and leave nothing behind', async () => {
    const { asked, commands, openSource } = fakeApp();
    openSource.mockRejectedValueOnce(new CommandFailed({ kind: 'device', cause: 'busy', message: 'in use' }));
    await expect(cameraOf(devicesOf(commands))).rejects.toMatchObject({ name: 'NotReadableError' });
    await vi.waitFor(() => expect(asked).toEqual(['close camera']));
  });

  it('are turned off and on', async () => {
    const { asked, commands } = fakeApp();
    const track = await cameraOf(devicesOf(commands));
    track.enabled = false;
    track.enabled = false;
    track.enabled = true;
    await vi.waitFor(() => expect(asked.slice(-2)).toEqual(['turn camera off', 'turn camera on']));
  });

  it('do to a voice what a browser would', async () => {
    const { commands, openSource } = fakeApp();
    const devices = devicesOf(commands);
    const [opened] = (await devices.getUserMedia({ audio: { noiseSuppression: false } })).getAudioTracks();
    const voice = () => openSource.mock.lastCall?.[0].voice;
    expect(voice()).toEqual({ echo_cancellation: true, noise_suppression: false, gain_control: true });
    await opened?.applyConstraints({ echoCancellation: { ideal: false }, autoGainControl: { exact: false } });
    expect(voice()).toEqual({ echo_cancellation: false, noise_suppression: true, gain_control: false });
    expect(opened?.getSettings()).toMatchObject({ echoCancellation: false, noiseSuppression: true });
    await cameraOf(devices);
    expect(voice()).toBeNull();
  });

  it('change size and bitrate without becoming another track', async () => {
    const { asked, commands } = fakeApp();
    const track = await cameraOf(devicesOf(commands));
    await track.applyConstraints({ height: { ideal: 1080 }, width: { ideal: 1920 } });
    await track.setBitrate(1_000_000);
    await track.setBitrate(1_000_000);
    expect(asked.filter((what) => what.startsWith('open')).slice(1)).toEqual([
      'open camera /dev/video0 1920x1080 4500000',
      'open camera /dev/video0 1920x1080 1000000',
    ]);
    expect(track.readyState).toBe('live');
  });

  it.each([
    ['missing', 'NotFoundError'],
    ['busy', 'NotReadableError'],
    ['refused', 'NotAllowedError'],
  ] as const)('that are %s fail as a browser’s do', async (cause, name) => {
    const { commands, openSource } = fakeApp();
    openSource.mockRejectedValue(new CommandFailed({ kind: 'device', cause, message: 'as the system says it' }));
    await expect(cameraOf(devicesOf(commands))).rejects.toMatchObject({
      name,
      message: 'as the system says it',
    });
  });

  it('that do not exist are not opened', async () => {
    const { asked, commands } = fakeApp();
    const wanted = cameraOf(devicesOf(commands), { deviceId: { exact: 'gone' } });
    await expect(wanted).rejects.toMatchObject({ name: 'OverconstrainedError' });
    expect(asked).toEqual([]);
  });
});

describe('a screen of the app', () => {
  const desk = { id: '7', name: 'Desk', kind: 'screen' } as const;
  const letter = { id: 'window-9', name: 'A letter', kind: 'window' } as const;

  async function shared(devices: NativeDevices): Promise<string> {
    const [track] = (await devices.getDisplayMedia()).getVideoTracks();
    return track?.label ?? 'none';
  }

  it('is shared at once where it is the only one', async () => {
    const choose = vi.fn();
    expect(await shared(devicesOf(fakeApp([desk]).commands, choose))).toBe('Desk');
    expect(choose).not.toHaveBeenCalled();
  });

  it('is the one that the person chose', async () => {
    const { asked, commands } = fakeApp([desk, letter]);
    expect(await shared(devicesOf(commands))).toBe('A letter');
    expect(asked[0]).toBe('open screen window-9 1920x1080 2500000');
  });

  it('is none where the person chose none, or there is none', async () => {
    const devices = devicesOf(fakeApp([desk, letter]).commands, () => Promise.resolve(null));
    await expect(shared(devices)).rejects.toMatchObject({ name: 'NotAllowedError' });
    await expect(shared(devicesOf(fakeApp().commands))).rejects.toMatchObject({ name: 'NotFoundError' });
  });

  it('is asked for once: a second question answers the first with none', async () => {
    const first = screenChoice.ask([desk]);
    const second = screenChoice.ask([desk, letter]);
    expect(await first).toBeNull();
    screenChoice.choose(letter);
    expect(await second).toBe(letter);
    expect(screenChoice.offered).toBeNull();
  });
});

describe('a connection of the app', () => {
  async function connected() {
    const app = fakeApp();
    const connection = new NativeConnection(app.commands);
    const camera = await cameraOf(devicesOf(app.commands));
    const section = connection.addTransceiver(camera);
    await connection.setLocalDescription();
    await connection.setRemoteDescription({ type: 'answer', sdp: 'answer' });
    return { ...app, connection, section };
  }

  it('offers, names its sections, and takes the answer', async () => {
    const { asked, connection, section } = await connected();
    expect(section.mid).toBe('0');
    expect(connection.localDescription?.sdp).toBe('offer 1');
    expect(connection.signalingState).toBe('stable');
    expect(asked.slice(-2)).toEqual(['offer camera', 'accept 1 answer']);
  });

  it('tells each state once', async () => {
    const { connection, hear } = await connected();
    const states: RTCPeerConnectionState[] = [];
    connection.onconnectionstatechange = () => states.push(connection.connectionState);
    (['connected', 'connected', 'interrupted', 'failed'] as const).forEach(hear);
    expect(states).toEqual(['connected', 'disconnected', 'failed']);
  });

  it('leaves out what is inactive, on the same connection', async () => {
    const { asked, connection, section } = await connected();
    section.direction = 'inactive';
    await connection.setLocalDescription();
    expect(asked.at(-1)).toBe('again 1 ');
  });

  it('makes another one in its place where the way is to be found anew', async () => {
    const { asked, connection, hear } = await connected();
    const late = hear;
    connection.restartIce();
    await connection.setLocalDescription();
    expect(asked.at(-1)).toBe('offer camera');
    expect(connection.localDescription?.sdp).toBe('offer 2');
    late('connected');
    connection.close();
    expect(asked.at(-1)).toBe('hang up 2');
  });

  it('sends nothing that it did not capture', () => {
    const connection = new NativeConnection(fakeApp().commands);
    expect(() => connection.addTransceiver({ kind: 'video' })).toThrow(TypeError);
  });

  it('passes the encoder’s bitrate on', async () => {
    const { asked, section } = await connected();
    await section.sender.setParameters({ encodings: [{ maxBitrate: 900_000 }] });
    expect(asked.at(-1)).toBe('open camera /dev/video0 1280x720 900000');
  });
});
