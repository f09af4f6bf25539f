import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RELAY_AFTER_MS, relay } from '../media/relay';
import type { ClientMessage, ServerEvent, ServerMessage, TrackSource } from '../protocol/bindings';
import { FakeConnection, FakeTransceiver, fakeTrack } from './fake-connection';
import { Publisher, type PublishState } from './publisher';
import { DEFAULT_QUALITY, bitrateOf } from './quality';

type Offer = Extract<ClientMessage, { action: 'webrtc_signal' }>;

class World {
  /** Whether the signaling is there. */
  open = true;
  layers = 3;
  codecsOnAir: string[] | Promise<string[]> = [];
  readonly offers: Offer[] = [];
  readonly connections: FakeConnection[] = [];
  readonly states: PublishState[] = [];
  readonly refusals: string[] = [];
  readonly publisher = new Publisher(
    DEFAULT_QUALITY,
    {
      createConnection: () => {
        const connection = new FakeConnection();
        connection.layers = this.layers;
        this.connections.push(connection);
        return connection.rtc;
      },
      send: (message) => {
        if (this.open && message.action === 'webrtc_signal') {
          this.offers.push(message);
        }
        return this.open;
      },
      codecsOnAir: () => Promise.resolve(this.codecsOnAir),
      random: () => 0.5,
    },
    { state: (state) => this.states.push(state), refused: (message) => this.refusals.push(message) },
  );

  get connection(): FakeConnection {
    return this.connections.at(-1) ?? expect.fail('no connection was made');
  }

  say(event: ServerEvent): void {
    this.publisher.receive({ ...event, timestamp: '' } as ServerMessage);
  }

  answer(sdp = 'v=0\r\n'): Promise<void> {
    this.say({
      type: 'webrtc_signal',
      session_id: 'show',
      connection: 'publish',
      to_user_id: 'me',
      signal_type: 'answer',
      signal_data: { sdp },
    });
    return settle();
  }

  candidate(candidate: string): Promise<void> {
    this.say({
      type: 'webrtc_signal',
      session_id: 'show',
      connection: 'publish',
      to_user_id: 'me',
      signal_type: 'ice_candidate',
      signal_data: { candidate },
    });
    return settle();
  }

  /** The signaling is back. */
  return(onAir: boolean): Promise<void> {
    this.open = true;
    this.say({ type: 'current_participants', you: { on_air: onAir } } as ServerEvent);
    return settle();
  }

  async connected(sources: TrackSource[] = ['microphone', 'camera']): Promise<this> {
    sources.forEach((source) =>
      this.publisher.set(source, fakeTrack(source === 'microphone' ? 'audio' : 'video', source)),
    );
    this.publisher.open();
    await settle();
    await this.answer();
    this.connection.become('connected');
    return this;
  }
}

/** Lets everything that needs no time happen. */
async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('Publisher', () => {
  it('puts everything that is there into one offer, and names it', async () => {
    const world = new World();
    world.publisher.set('camera', fakeTrack('video'));
    world.publisher.set('microphone', fakeTrack('audio'));
    world.publisher.open();
    await settle();
    expect(world.offers).toHaveLength(1);
    expect(world.offers[0]).toMatchObject({
      connection: 'publish',
      signal_type: 'offer',
      sources: { 0: 'microphone', 1: 'camera' },
    });
    expect(world.connection.transceivers[1]?.sender.encodings.map(({ rid }) => rid)).toEqual(['q', 'h', 'f']);
  });

  it('never has a second offer out, and sends what was left unsaid after the answer', async () => {
    const world = new World();
    world.publisher.set('microphone', fakeTrack('audio'));
    world.publisher.open();
    await settle();
    world.publisher.set('screen', fakeTrack('video', 'screen'));
    world.publisher.set('screen_audio', fakeTrack('audio', 'screen_audio'));
    await settle();
    expect(world.offers).toHaveLength(1);
    await world.answer();
    expect(world.offers).toHaveLength(2);
    expect(world.offers[1]?.sources).toEqual({ 0: 'microphone', 1: 'screen', 2: 'screen_audio' });
    expect(world.connections).toHaveLength(1);
  });

  it('exchanges a track without another offer', async () => {
    const world = await new World().connected();
    const other = fakeTrack('video', 'back');
    world.publisher.set('camera', other);
    world.publisher.set('camera', null);
    world.publisher.set('camera', other);
    await settle();
    expect(world.connection.transceivers[1]?.sender.track).toBe(other);
    expect(world.offers).toHaveLength(1);
  });

  it('says that a shared screen has ended, and uses its section again', async () => {
    const world = await new World().connected(['microphone', 'screen']);
    world.publisher.set('screen', null);
    await settle();
    expect(world.connection.transceivers[1]?.direction).toBe('inactive');
    await world.answer();
    world.publisher.set('screen', fakeTrack('video', 'another'));
    await settle();
    expect(world.offers).toHaveLength(3);
    expect(world.connection.transceivers.map(({ direction }) => direction)).toEqual(['sendonly', 'sendonly']);
  });

  it('begins anew with a track that cannot take the place of the last one', async () => {
    const world = await new World().connected();
    const camera = world.connection.transceivers[1] ?? expect.fail('no camera');
    camera.sender.stubborn = true;
    world.publisher.set('camera', fakeTrack('video', 'other'));
    await settle();
    expect(world.connections.map(({ closed }) => closed)).toEqual([true, false]);
    expect(world.connection.transceivers[1]?.sender.track?.id).toBe('other');
  });

  it('changes bitrates on the connection as it is', async () => {
    const world = await new World().connected();
    world.publisher.setQuality({ height: 1080, bitrateBps: 8_000_000 });
    await settle();
    const encodings = world.connection.transceivers[1]?.sender.encodings ?? [];
    expect(encodings.reduce((sum, { maxBitrate = 0 }) => sum + maxBitrate, 0)).toBe(8_000_000);
    expect(world.offers).toHaveLength(1);
  });

  it('sends the layers that fit another camera, and a picture that was turned, without an offer', async () => {
    const world = await new World().connected();
    const sender = world.connection.transceivers[1]?.sender ?? expect.fail('no camera');
    let size = { width: 640, height: 480 };
    const camera = (id: string) => Object.assign(fakeTrack('video', id), { getSettings: () => size });
    const active = () => sender.encodings.map((encoding) => encoding.active);
    world.publisher.set('camera', camera('front'));
    await settle();
    expect(active()).toEqual([true, true, false]);
    size = { width: 480, height: 640 };
    world.publisher.pictureTurned();
    await settle();
    expect(active(), 'upright').toEqual([true, true, false]);
    size = { width: 1280, height: 720 };
    world.publisher.set('camera', camera('back'));
    await settle();
    expect(active()).toEqual([true, true, true]);
    expect(world.offers).toHaveLength(1);
  });

  it('gives the one layer of a browser without simulcast the whole bitrate', async () => {
    const world = new World();
    world.layers = 1;
    await world.connected();
    expect(world.connection.transceivers[1]?.sender.encodings.map(({ maxBitrate }) => maxBitrate)).toEqual([
      bitrateOf(DEFAULT_QUALITY),
    ]);
  });

  it.each([
    [['H264'], ['video/H264', 'video/H264', 'video/VP8']],
    [['VP8'], []],
    [[], []],
  ])('with %s on air prefers the codecs %s', async (onAir, preferred) => {
    const codecs = ['video/VP8', 'video/H264', 'video/H264'].map((mimeType) => ({ mimeType }));
    vi.stubGlobal('RTCRtpSender', { getCapabilities: () => ({ codecs }) });
    const world = new World();
    world.codecsOnAir = onAir;
    await world.connected();
    expect(world.connection.transceivers.map((section) => section.preferred)).toEqual([[], preferred]);
    vi.unstubAllGlobals();
  });

  it('offers as before where the browser cannot be told a preference', async () => {
    vi.stubGlobal('RTCRtpSender', { getCapabilities: () => ({ codecs: [{ mimeType: 'video/H264' }] }) });
    const refuse = vi.spyOn(FakeTransceiver.prototype, 'setCodecPreferences').mockImplementation(() => {
      throw new TypeError('not a function');
    });
    const world = new World();
    world.codecsOnAir = ['H264'];
    await world.connected();
    expect(refuse).toHaveBeenCalled();
    expect(world.offers).toHaveLength(1);
    refuse.mockRestore();
    vi.unstubAllGlobals();
  });

  it('offers without the codecs on air where they are not told', async () => {
    const world = new World();
    world.publisher.set('camera', fakeTrack('video'));
    world.codecsOnAir = new Promise(() => undefined);
    world.publisher.open();
    await settle();
    expect(world.offers).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(world.offers).toHaveLength(1);
  });

  it('keeps no more candidates for an answer that does not come than a server has', async () => {
    const world = new World();
    world.publisher.set('camera', fakeTrack('video'));
    world.publisher.open();
    await settle();
    for (let nth = 0; nth < 200; nth += 1) {
      await world.candidate(`${nth}`);
    }
    await world.answer();
    expect(world.connection.candidates).toHaveLength(64);
  });

  it('takes candidates that come before the answer', async () => {
    const world = new World();
    world.publisher.set('microphone', fakeTrack('audio'));
    world.publisher.open();
    await settle();
    await world.candidate('early');
    expect(world.connection.candidates).toEqual([]);
    await world.answer();
    await world.candidate('late');
    expect(world.connection.candidates.map(({ candidate }) => candidate)).toEqual(['early', 'late']);
  });

  it('begins anew where no answer comes', async () => {
    const world = new World();
    world.publisher.set('microphone', fakeTrack('audio'));
    world.publisher.open();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(world.offers).toHaveLength(2);
    expect(world.connections.map(({ closed }) => closed)).toEqual([true, false]);
  });

  it('begins anew where the answer makes no sense, or no media gets through', async () => {
    const world = new World();
    world.publisher.set('microphone', fakeTrack('audio'));
    world.publisher.open();
    await settle();
    await world.answer('nonsense');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(world.connections).toHaveLength(2);
    await world.answer();
    await vi.advanceTimersByTimeAsync(14_000);
    expect(world.connections).toHaveLength(3);
  });

  it('brings the relays in where no media gets through, once, on the same connection', async () => {
    relay.told([{ urls: ['turns:example.org'], username: 'ann', credential: 'secret' }]);
    try {
      const world = new World();
      world.publisher.set('microphone', fakeTrack('audio'));
      world.publisher.open();
      await settle();
      await world.answer();
      await vi.advanceTimersByTimeAsync(RELAY_AFTER_MS - 1);
      expect(world.connection.configurations).toEqual([]);
      await vi.advanceTimersByTimeAsync(1);
      expect(world.connection.configurations).toEqual([relay.withAll]);
      expect([world.connection.restarts, world.offers.length]).toEqual([1, 2]);
      await world.answer();
      await vi.advanceTimersByTimeAsync(2 * RELAY_AFTER_MS);
      expect(world.connection.restarts).toBe(1);
      expect(relay.configuration).toEqual({});
      world.connection.become('connected');
      expect(relay.configuration).toEqual(relay.withAll);
    } finally {
      relay.told([]);
      relay.networkChanged();
    }
  });

  it('leaves the relays out where media gets through without', async () => {
    relay.told([{ urls: ['turns:example.org'], username: 'ann', credential: 'secret' }]);
    const world = await new World().connected();
    await vi.advanceTimersByTimeAsync(2 * RELAY_AFTER_MS);
    expect(world.connection.configurations).toEqual([]);
    relay.told([]);
  });

  it('tells why the server refused, and tries again', async () => {
    const world = new World();
    world.publisher.set('camera', fakeTrack('video'));
    world.publisher.open();
    await settle();
    world.say({ type: 'error', code: 'no_video', message: 'no video in voice mode', action: 'webrtc_signal' });
    expect(world.refusals).toEqual(['no video in voice mode']);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(world.connections).toHaveLength(2);
  });

  it('does not take an error about something else for its own', async () => {
    const world = await new World().connected();
    world.say({ type: 'error', code: 'x', message: 'x', action: 'webrtc_signal' });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(world.connections).toHaveLength(1);
    expect(world.refusals).toEqual([]);
  });

  it('does not take an error about watching for its own, even while it waits for an answer', async () => {
    const world = new World();
    world.publisher.set('camera', fakeTrack('video'));
    world.publisher.open();
    await settle();
    world.say({ type: 'error', code: 'bad_offer', message: 'x', action: 'webrtc_signal', connection: 'subscribe' });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(world.connections).toHaveLength(1);
    expect(world.refusals).toEqual([]);
  });

  describe('when the network changes', () => {
    it('lets a short interruption mend itself', async () => {
      const world = await new World().connected();
      world.connection.become('disconnected');
      await vi.advanceTimersByTimeAsync(1_000);
      world.connection.become('connected');
      await vi.advanceTimersByTimeAsync(20_000);
      expect(world.connection.restarts).toBe(0);
      expect(world.states).toEqual(['connecting', 'connected', 'interrupted', 'connected']);
    });

    it('restarts ICE on the same connection after a longer one', async () => {
      const world = await new World().connected();
      world.connection.become('disconnected');
      await vi.advanceTimersByTimeAsync(2_000);
      expect(world.connection.restarts).toBe(1);
      expect(world.offers).toHaveLength(2);
      await world.answer();
      world.connection.become('connected');
      await vi.advanceTimersByTimeAsync(30_000);
      expect(world.connections).toHaveLength(1);
    });

    it('does so at once where it has failed, or the device is online again', async () => {
      const world = await new World().connected();
      world.connection.become('failed');
      await settle();
      expect(world.connection.restarts).toBe(1);
      await world.answer();
      world.connection.become('connected');
      world.publisher.networkChanged();
      await settle();
      expect(world.connection.restarts).toBe(2);
      expect(world.offers).toHaveLength(3);
    });

    it('begins anew where the server has forgotten the connection', async () => {
      const world = await new World().connected();
      world.connection.become('failed');
      await settle();
      await world.answer();
      await vi.advanceTimersByTimeAsync(8_000);
      expect(world.connections).toHaveLength(2);
      expect(world.offers).toHaveLength(3);
    });
  });

  describe('when the signaling comes back', () => {
    it('keeps a connection that is alive', async () => {
      const world = await new World().connected();
      await world.return(true);
      expect(world.connections).toHaveLength(1);
      expect(world.offers).toHaveLength(1);
    });

    it('sends an offer again whose answer is lost', async () => {
      const world = await new World().connected();
      world.open = false;
      world.connection.become('failed');
      await settle();
      await world.return(true);
      expect(world.connections).toHaveLength(1);
      expect(world.offers).toHaveLength(2);
      expect(world.offers[1]?.signal_data).toMatchObject({ sdp: expect.stringContaining('restarts 1') as string });
    });

    it('makes another connection for a server that knows nothing of this one', async () => {
      const world = await new World().connected();
      await world.return(false);
      expect(world.connections.map(({ closed }) => closed)).toEqual([true, false]);
      expect(world.offers).toHaveLength(2);
    });

    it('offers then where it could not before', async () => {
      const world = new World();
      world.open = false;
      world.publisher.set('microphone', fakeTrack('audio'));
      world.publisher.open();
      await vi.advanceTimersByTimeAsync(60_000);
      expect(world.connections).toHaveLength(1);
      await world.return(false);
      expect(world.offers).toHaveLength(1);
    });
  });

  it('says goodbye before it closes, and does nothing after', async () => {
    const world = await new World().connected();
    world.publisher.close();
    await settle();
    expect(world.offers).toHaveLength(2);
    expect(world.connection.transceivers.map(({ direction }) => direction)).toEqual(['inactive', 'inactive']);
    expect(world.connection.closed).toBe(true);
    await world.return(false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.connections).toHaveLength(1);
  });
});
