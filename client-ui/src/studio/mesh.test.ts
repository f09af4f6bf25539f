import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClientMessage, IceServer, ServerEvent, ServerMessage } from '../protocol/bindings';
import { FakeConnection, fakeTrack } from './fake-connection';
import { type MeshStreams, MeshPeers, shareOf } from './mesh';

type Signal = Extract<ClientMessage, { action: 'webrtc_signal' }>;

const STUN: IceServer[] = [{ urls: ['stun:stun.example.org'] }];

/** Lets everything that waits for nothing but promises happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await Promise.resolve();
  }
}

/** A browser in a mesh. What it says is delivered by {@link deliver}. */
class Browser {
  readonly name: string;
  readonly connections: FakeConnection[] = [];
  readonly said: Signal[] = [];
  /** What each connection was made with. */
  readonly iceServers: IceServer[][] = [];
  streams: MeshStreams = { people: new Map(), screens: new Map() };
  readonly peers = new MeshPeers(
    {
      createConnection: (iceServers) => {
        const connection = new FakeConnection();
        this.connections.push(connection);
        this.iceServers.push(iceServers);
        return connection.rtc;
      },
      createStream: () => ({}) as MediaStream,
      send: (message) => {
        if (message.action === 'webrtc_signal') {
          this.said.push(message);
        }
        return true;
      },
    },
    (streams) => (this.streams = streams),
  );

  constructor(name: string) {
    this.name = name;
  }

  get connection(): FakeConnection {
    return this.connections.at(-1) ?? expect.fail(`${this.name} has no connection`);
  }

  hear(event: ServerEvent): void {
    this.peers.receive({ ...event, timestamp: '' } as ServerMessage);
  }

  enter(others: readonly string[], topology = 'mesh'): this {
    this.hear({
      type: 'current_participants',
      topology,
      you: { user_id: this.name },
      participants: [this.name, ...others].map((user_id) => ({ user_id })),
      ice_servers: STUN,
    } as ServerEvent);
    return this;
  }

  show(kind: 'audio' | 'video' = 'video'): this {
    this.peers.set(kind === 'video' ? 'camera' : 'microphone', fakeTrack(kind));
    return this;
  }

  signalFrom(from: string, signal_type: Signal['signal_type'], signal_data: Signal['signal_data']): void {
    this.hear({
      type: 'webrtc_signal',
      session_id: 'show',
      from_user_id: from,
      to_user_id: this.name,
      signal_type,
      signal_data,
    });
  }
}

/** Carries everything that was said to whom it was said, until nobody says any more. */
async function deliver(...browsers: Browser[]): Promise<void> {
  await settle();
  for (let round = 0; round < 10; round += 1) {
    const mail = browsers.flatMap((from) => from.said.splice(0).map((signal) => ({ from, signal })));
    for (const { from, signal } of mail) {
      browsers
        .find(({ name }) => name === signal.to_user_id)
        ?.signalFrom(from.name, signal.signal_type, signal.signal_data);
    }
    await settle();
  }
}

describe('MeshPeers', () => {
  it('offers to everybody where there is something to show, and to whoever comes later', async () => {
    const ada = new Browser('ada').enter(['bea', 'cem']).show();
    await settle();
    expect(ada.said.map(({ to_user_id, signal_type }) => [to_user_id, signal_type])).toEqual([
      ['bea', 'offer'],
      ['cem', 'offer'],
    ]);
    ada.hear({ type: 'user_joined', user_id: 'dan', username: 'Dan', role: 'viewer', viewer_count: 3 });
    await settle();
    expect(ada.said.at(-1)).toMatchObject({ to_user_id: 'dan', signal_type: 'offer' });
  });

  it('makes each connection with the STUN and TURN servers that it was told of', async () => {
    const ada = new Browser('ada').enter(['bea']).show();
    const bea = new Browser('bea').enter(['ada']);
    await deliver(ada, bea);
    expect([ada.iceServers, bea.iceServers]).toEqual([[STUN], [STUN]]);
  });

  it('does nothing in a session that is no mesh', async () => {
    const ada = new Browser('ada').enter(['bea'], 'sfu').show();
    ada.signalFrom('bea', 'offer', { sdp: 'v=0' });
    await settle();
    expect(ada.connections).toEqual([]);
  });

  it('answers somebody who shows something, with nothing to show', async () => {
    const ada = new Browser('ada').enter(['bea']).show();
    const bea = new Browser('bea').enter(['ada']);
    await deliver(ada, bea);
    expect(bea.connection.signalingState).toBe('stable');
    expect(ada.connection.signalingState).toBe('stable');
    expect([ada.connections.length, bea.connections.length]).toEqual([1, 1]);
  });

  it('settles two offers that cross: the id that sorts lower gives way', async () => {
    const ada = new Browser('ada').enter(['bea']).show();
    const bea = new Browser('bea').enter(['ada']).show();
    await deliver(ada, bea);
    for (const { connection } of [ada, bea]) {
      expect(connection.signalingState).toBe('stable');
    }
    expect(ada.connection.rollbacks).toBe(1);
    expect(bea.connection.rollbacks).toBe(0);
    expect(bea.connection.remoteDescription?.type).toBe('answer');
    expect([ada.connections.length, bea.connections.length]).toEqual([1, 1]);
  });

  it('keeps candidates that come before their description', async () => {
    const ada = new Browser('ada').enter(['bea']).show();
    await settle();
    const bea = new Browser('bea').enter(['ada']);
    bea.signalFrom('ada', 'ice_candidate', { candidate: 'early', sdpMid: '0' });
    await settle();
    expect(bea.connection.candidates).toEqual([]);
    await deliver(ada, bea);
    expect(bea.connection.candidates).toEqual([{ candidate: 'early', sdpMid: '0' }]);
  });

  it('takes the candidates of an offer that it ignored for no reason to give up', async () => {
    const bea = new Browser('bea').enter(['ada']).show();
    await settle();
    bea.signalFrom('ada', 'offer', { sdp: 'v=0' });
    bea.signalFrom('ada', 'ice_candidate', { candidate: 'theirs' });
    await settle();
    expect(bea.connections.map(({ closed }) => closed)).toEqual([false]);
    expect(bea.connection.signalingState).toBe('have-local-offer');
  });

  it('meets somebody who has begun anew with another connection', async () => {
    const ada = new Browser('ada').enter(['bea']).show();
    const bea = new Browser('bea').enter(['ada']).show('audio');
    await deliver(ada, bea);
    const again = new Browser('bea').enter(['ada']).show('audio');
    await deliver(ada, again);
    expect(ada.connections.map(({ closed }) => closed)).toEqual([true, false]);
    expect(ada.connection.signalingState).toBe('stable');
    expect(again.connection.signalingState).toBe('stable');
    expect(ada.connection.remoteDescription?.sdp).toContain(
      `fingerprint:sha-256 ${again.connection.id.toString(16).padStart(2, '0')}:`,
    );
  });

  it('tries another connection where one has failed', async () => {
    const ada = new Browser('ada').enter(['bea']).show();
    const bea = new Browser('bea').enter(['ada']);
    await deliver(ada, bea);
    ada.connection.become('failed');
    await deliver(ada, bea);
    expect(ada.connections).toHaveLength(2);
    expect(ada.connection.signalingState).toBe('stable');
  });

  it('restarts ICE where the way is interrupted', async () => {
    const ada = new Browser('ada').enter(['bea']).show();
    const bea = new Browser('bea').enter(['ada']);
    await deliver(ada, bea);
    ada.connection.become('disconnected');
    await deliver(ada, bea);
    expect(ada.connections).toHaveLength(1);
    expect(bea.connection.remoteDescription?.sdp).toContain('restarts 1');
  });

  it('shows a person and their screen, and neither once they are gone', async () => {
    const ada = new Browser('ada').enter(['bea']).show();
    await settle();
    const [person, screen] = [{ getTracks: () => [] }, { getTracks: () => [] }] as unknown as MediaStream[];
    ada.connection.ontrack?.({ streams: [person ?? expect.fail()], transceiver: { mid: '0' } });
    ada.connection.ontrack?.({ streams: [screen ?? expect.fail()], transceiver: { mid: '1' } });
    expect(ada.streams.people.get('bea')).toBe(person);
    expect(ada.streams.screens.get('bea')).toBe(screen);
    ada.hear({ type: 'user_left', user_id: 'bea', username: 'Bea', viewer_count: 0 });
    expect([ada.streams.people.size, ada.streams.screens.size]).toEqual([0, 0]);
    expect(ada.connection.closed).toBe(true);
  });

  it('takes a screen that comes first for a screen, and who comes after it for the person', async () => {
    const ada = new Browser('ada').enter(['bea']);
    const bea = new Browser('bea').enter(['ada']);
    ada.peers.set('screen', fakeTrack('video', 'screen'));
    await deliver(ada, bea);
    const [screen, person] = [{ getTracks: () => [] }, { getTracks: () => [] }] as unknown as MediaStream[];
    bea.connection.ontrack?.({ streams: [screen ?? expect.fail()], transceiver: { mid: '0' } });
    expect([bea.streams.people.get('ada'), bea.streams.screens.get('ada')]).toEqual([undefined, screen]);
    ada.show('audio');
    await deliver(ada, bea);
    bea.connection.ontrack?.({ streams: [person ?? expect.fail()], transceiver: { mid: '1' } });
    expect(bea.streams.people.get('ada')).toBe(person);
    expect(bea.streams.screens.get('ada')).toBe(screen);
  });

  it('groups a screen apart from its person', async () => {
    const ada = new Browser('ada').enter(['bea']).show().show('audio');
    ada.peers.set('screen', fakeTrack('video', 'screen'));
    await settle();
    const [microphone, camera, screen] = [1, 0, 2].map((index) => ada.connection.transceivers[index]?.streams[0]);
    expect(microphone).toBe(camera);
    expect(screen).not.toBe(camera);
  });

  it('answers no stranger without an offer, and keeps no more connections than a mesh has people', async () => {
    const ada = new Browser('ada').enter([]);
    ada.signalFrom('eve', 'answer', { sdp: 'v=0' });
    expect(ada.connections).toEqual([]);
    for (let one = 0; one < 30; one += 1) {
      ada.signalFrom(`eve-${one}`, 'ice_candidate', { candidate: '' });
    }
    await settle();
    expect(ada.connections).toHaveLength(20);
  });

  it('shares the upstream', () => {
    expect([0, 1, 4, 20].map((peers) => shareOf(2_500_000, peers))).toEqual([2_500_000, 2_500_000, 625_000, 150_000]);
  });
});

describe('MeshPeers, with somebody whose connections do not hold', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const description = (fingerprint: number) => ({ sdp: `v=0\r\na=fingerprint:sha-256 ${fingerprint}:EE\r\n` });

  async function say(bea: Browser, messages: number, data: (nth: number) => { sdp: string }): Promise<void> {
    for (let nth = 0; nth < messages; nth += 1) {
      bea.signalFrom('eve', 'offer', data(nth));
      await settle();
    }
  }

  it.each([
    ['descriptions that make no sense', () => ({ sdp: 'nonsense' })],
    ['ever new connections', description],
  ])('makes no more than two connections at once for %s', async (_, data) => {
    const bea = new Browser('bea').enter(['eve']);
    await say(bea, 50, data);
    expect(bea.connections.length).toBeLessThanOrEqual(2);
    bea.show();
    await settle();
    expect(bea.connections.length).toBeLessThanOrEqual(2);
  });

  it('waits twice as long each time, and half a minute at most', async () => {
    const bea = new Browser('bea').enter(['eve']).show();
    await settle();
    const pauses: number[] = [];
    for (let time = 0; time < 8; time += 1) {
      const before = bea.connections.length;
      const since = Date.now();
      bea.connection.become('failed');
      while (bea.connections.length === before) {
        await vi.advanceTimersByTimeAsync(1_000);
      }
      pauses.push((Date.now() - since) / 1_000);
    }
    expect(pauses).toEqual([0, 2, 4, 8, 16, 32, 32, 32]);
  });

  it('takes what was said last during the pause, with its candidates', async () => {
    const bea = new Browser('bea').enter(['eve']);
    await say(bea, 4, description);
    bea.signalFrom('eve', 'ice_candidate', { candidate: 'of the third' });
    bea.signalFrom('eve', 'offer', description(4));
    bea.signalFrom('eve', 'ice_candidate', { candidate: 'of the last' });
    bea.signalFrom('eve', 'answer', description(5));
    await vi.advanceTimersByTimeAsync(2_000);
    await settle();
    expect(bea.connections).toHaveLength(3);
    expect(bea.connection.remoteDescription).toEqual({ type: 'offer', ...description(4) });
    expect(bea.connection.candidates).toEqual([{ candidate: 'of the last' }]);
  });

  it('forgets it all once a connection has held', async () => {
    const bea = new Browser('bea').enter(['eve']).show();
    await settle();
    for (let time = 0; time < 4; time += 1) {
      bea.connection.become('failed');
      await vi.advanceTimersByTimeAsync(32_000);
    }
    bea.connection.become('connected');
    await vi.advanceTimersByTimeAsync(30_000);
    const before = bea.connections.length;
    bea.connection.become('failed');
    expect(bea.connections).toHaveLength(before + 1);
  });

  it('counts one that was connected for a moment as one that did not hold', async () => {
    const bea = new Browser('bea').enter(['eve']).show();
    await settle();
    bea.connection.become('failed');
    bea.connection.become('connected');
    await vi.advanceTimersByTimeAsync(29_000);
    bea.connection.become('failed');
    expect(bea.connections).toHaveLength(2);
  });

  it('says no more on one connection than the server takes, until it has held', async () => {
    const bea = new Browser('bea').enter(['eve']);
    const restart = (nth: number) => {
      const candidate = { candidate: `${nth}`, sdpMid: '0', sdpMLineIndex: 0 } as RTCIceCandidate;
      for (let one = 0; one < 12; one += 1) {
        bea.connections.at(-1)?.onicecandidate?.({ candidate });
      }
      return description(7);
    };
    await say(bea, 60, restart);
    expect(bea.said.length).toBeLessThanOrEqual(200);
    await vi.advanceTimersByTimeAsync(2_000);
    bea.connection.become('connected');
    bea.said.splice(0);
    for (let minute = 0; minute < 3; minute += 1) {
      await vi.advanceTimersByTimeAsync(30_000);
      await say(bea, 5, restart);
    }
    expect(bea.connections.map(({ closed }) => closed)).toEqual([true, true, false]);
  });

  it('makes none for somebody who has left', async () => {
    const bea = new Browser('bea').enter(['eve']).show();
    await say(bea, 4, description);
    const before = bea.connections.length;
    bea.hear({ type: 'user_left', user_id: 'eve', username: 'Eve', viewer_count: 0 });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(bea.connections).toHaveLength(before);
  });
});
