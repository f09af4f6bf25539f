import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClientMessage, ServerEvent, ServerMessage } from '../protocol/bindings';
import type { MediaEngine, Subscription, SubscriptionEvents, Wanted } from '../media/engine';
import type { MediaSample } from '../media/sample';
import { welcome } from './fixtures';
import type { Facts, Link, Phase } from './phase';
import type { Admission } from './refusal';
import type { Room } from './room';
import type { SignalingEvents } from './signaling';
import { WatchConnection } from './watch-connection';

class FakeSubscription implements Subscription {
  readonly offer = Promise.resolve('offer');
  readonly answers: string[] = [];
  readonly extensions: Wanted[] = [];
  closed = false;
  frames = 0;

  readonly events: SubscriptionEvents;

  constructor(events: SubscriptionEvents) {
    this.events = events;
  }

  accept(answer: string): Promise<void> {
    this.answers.push(answer);
    return answer === 'nonsense' ? Promise.reject(new Error('bad SDP')) : Promise.resolve();
  }

  addCandidate(): Promise<void> {
    return Promise.resolve();
  }

  extend(wanted: Wanted): Promise<string> {
    this.extensions.push(wanted);
    return Promise.resolve(`offer of ${wanted.audio} + ${wanted.video}`);
  }

  isFirst(): boolean {
    return true;
  }

  attach(): void {
    // Nothing is shown in these tests.
  }

  attachSlot(): void {
    // Nor here.
  }

  sample(): Promise<MediaSample | null> {
    return Promise.resolve({
      atMs: performance.now(),
      width: 640,
      height: 360,
      videoCodec: 'H264',
      videoBytes: this.frames * 1_000,
      audioBytes: 0,
      packetsReceived: this.frames,
      packetsLost: 0,
      framesDecoded: this.frames,
      framesOfLargest: this.frames,
      framesDropped: 0,
      jitterMs: 0,
      roundTripMs: 1,
      bufferedMs: 0,
      bufferedFrames: 0,
      decodeMs: 0,
    });
  }

  close(): void {
    this.closed = true;
  }
}

/** A server, a browser and a network, all of them obedient. */
class World {
  admission: Admission = 'granted';
  online = true;
  codecs = ['H264', 'VP8'];
  codecsOnAir = ['H264'];
  works = true;
  hosts = false;
  readonly sockets: (SignalingEvents & { sent: ClientMessage[]; left: boolean; probes: number })[] = [];
  readonly subscriptions: FakeSubscription[] = [];
  readonly phases: Phase[] = [];
  readonly links: Link[] = [];
  readonly heard: ServerMessage['type'][] = [];
  facts: Facts | null = null;
  room: Room | null = null;
  readonly connection: WatchConnection;

  constructor(change: Partial<Pick<World, 'works' | 'codecs' | 'admission' | 'hosts'>> = {}) {
    Object.assign(this, change);
    const engine: MediaEngine = {
      surface: 'video',
      works: this.works,
      videoCodecs: () => this.codecs,
      subscribe: (_, events) => {
        const subscription = new FakeSubscription(events);
        this.subscriptions.push(subscription);
        return subscription;
      },
    };
    this.connection = new WatchConnection(
      'show',
      {
        engine,
        openSignaling: (_, events) => {
          const socket = { ...events, sent: [] as ClientMessage[], left: false, probes: 0 };
          this.sockets.push(socket);
          return {
            send: (message) => socket.sent.push(message) > 0,
            probe: () => void (socket.probes += 1),
            close: () => void (socket.left = true),
          };
        },
        hosts: this.hosts,
        presenceOf: () =>
          Promise.resolve(this.admission === 'absent' || this.admission === 'unreachable' ? this.admission : 'present'),
        admissionTo: () => Promise.resolve(this.admission),
        videoCodecsOnAir: () => Promise.resolve(this.codecsOnAir),
        isOnline: () => this.online,
        random: () => 0.5,
      },
      {
        phase: (phase, facts) => {
          this.links.push(facts.link);
          this.facts = facts;
          if (this.phases.at(-1) !== phase) {
            this.phases.push(phase);
          }
        },
        room: (room) => void (this.room = room),
        message: (message) => void this.heard.push(message.type),
        subscription: () => undefined,
        sample: () => undefined,
      },
    );
  }

  get phase(): Phase | undefined {
    return this.phases.at(-1);
  }

  get socket() {
    return this.sockets.at(-1) ?? expect.fail('no socket was opened');
  }

  get subscription() {
    return this.subscriptions.at(-1) ?? expect.fail('nothing was subscribed');
  }

  say(event: ServerEvent): void {
    this.socket.message({ ...event, timestamp: new Date().toISOString() } as ServerMessage);
  }

  async enter(startedAt: string | null = '2026-01-01T00:00:00Z'): Promise<void> {
    this.socket.opened();
    this.say(welcome({ started_at: startedAt }));
    await pass(0);
    this.answer('answer');
    this.subscription.events.transport('connected');
  }

  answer(sdp: string): void {
    this.say({
      type: 'webrtc_signal',
      session_id: 'show',
      connection: 'subscribe',
      to_user_id: 'v',
      signal_type: 'answer',
      signal_data: { sdp },
    });
  }

  /** A picture for `ms`. */
  async play(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      this.subscription.frames += 3;
      await pass(100);
    }
  }

  async goLive(): Promise<void> {
    await this.enter();
    await this.play(300);
    expect(this.phase).toBe('live');
  }
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('joining', () => {
  it('has its offer ready before the signaling opens, sends it once and plays', async () => {
    const world = new World();
    expect(world.subscriptions).toHaveLength(1);
    await world.goLive();
    expect(world.socket.sent).toEqual([
      { action: 'webrtc_signal', connection: 'subscribe', signal_type: 'offer', signal_data: { sdp: 'offer' } },
    ]);
    expect(world.subscription.answers).toEqual(['answer']);
    expect(world.phases).toEqual(['connecting', 'live']);
  });

  it('is live with the first frame that the page presents, before any counter is read', async () => {
    const world = new World();
    await world.enter();
    expect(world.phase).toBe('connecting');
    world.connection.framePresented();
    expect(world.phase).toBe('live');
    await pass(500);
    expect(world.phase).toBe('live');
  });

  it('waits where nobody is on air, and plays when somebody is', async () => {
    const world = new World();
    await world.enter(null);
    expect(world.phase).toBe('waiting');
    world.say({ type: 'broadcast_started', user_id: 'h', username: 'Ada' });
    expect(world.phase).toBe('connecting');
    await world.play(1_200);
    expect(world.phase).toBe('live');
  });

  it('says that there is no such session, and goes in when there is', async () => {
    const world = new World({ admission: 'absent' });
    world.socket.closed('refused');
    await pass(0);
    expect(world.phase).toBe('not-found');
    world.admission = 'granted';
    await pass(15_000);
    expect(world.sockets).toHaveLength(2);
    await world.goLive();
  });

  it('keeps trying a server that cannot be reached', async () => {
    const world = new World({ admission: 'unreachable' });
    world.socket.closed('refused');
    await pass(30_000);
    expect(world.phases).toEqual(['connecting']);
    world.admission = 'granted';
    await pass(5_000);
    await world.goLive();
  });

  it('says that a session is full, and goes in when it is not any more', async () => {
    const full = { code: 'session_full', message: 'This session is full.' };
    const world = new World({ admission: full });
    world.socket.closed('refused');
    await pass(0);
    expect(world.phase).toBe('refused');
    expect(world.facts?.refusal).toEqual(full);
    await pass(5_000);
    expect(world.sockets).toHaveLength(2);
    world.socket.closed('refused');
    await pass(0);
    expect(world.phase).toBe('refused');
    await pass(5_000);
    await world.goLive();
  });

  it('goes in at once when it is told to try again', async () => {
    const world = new World({ admission: { code: 'session_full', message: '' } });
    world.socket.closed('refused');
    await pass(0);
    world.admission = 'granted';
    world.connection.nudge();
    await pass(0);
    expect(world.sockets).toHaveLength(2);
  });

  it.each(['removed', 'token_expired', 'token_other_session'])('asks no more after %s', async (code) => {
    const world = new World({ admission: { code, message: '' } });
    world.socket.closed('refused');
    await pass(0);
    expect(world.phase).toBe('refused');
    expect(vi.getTimerCount()).toBe(0);
    world.admission = 'granted';
    world.connection.nudge();
    await pass(60_000);
    expect(world.sockets).toHaveLength(1);
  });

  it('tells a way that is blocked from a place that was freed a moment too late', async () => {
    const world = new World();
    world.socket.closed('refused');
    await pass(0);
    expect(world.phase).toBe('connecting');
    await pass(1_000);
    world.socket.closed('refused');
    await pass(0);
    expect(world.facts?.refusal?.code).toBe('websocket_blocked');
    await pass(5_000);
    expect(world.sockets.length).toBeGreaterThan(2);
    await world.goLive();
  });

  it('tries again after an answer that makes no sense', async () => {
    const world = new World();
    world.socket.opened();
    world.answer('nonsense');
    await pass(5_000);
    expect(world.subscriptions[0]?.closed).toBe(true);
    expect(world.subscriptions).toHaveLength(2);
  });

  it('tries again where the media never connects', async () => {
    const world = new World();
    world.socket.opened();
    await pass(20_000);
    expect(world.sockets[0]?.left).toBe(true);
    expect(world.sockets.length).toBeGreaterThan(1);
  });

  it('does nothing at all in a browser without WebRTC', async () => {
    const world = new World({ works: false });
    world.connection.nudge();
    await pass(60_000);
    expect(world.phases).toEqual(['unsupported']);
    expect(world.sockets).toHaveLength(0);
  });

  it('names a codec that the browser does not have, and plays the next stream in another', async () => {
    const world = new World({ codecs: ['VP8', 'VP9'] });
    await world.enter();
    await pass(0);
    expect(world.phase).toBe('unsupported');
    world.say({ type: 'broadcast_stopped', user_id: 'h', username: 'Ada' });
    world.codecsOnAir = ['VP8'];
    world.say({ type: 'broadcast_started', user_id: 'h', username: 'Ada' });
    await world.play(1_200);
    expect(world.phase).toBe('live');
  });
});

describe('losing', () => {
  it('reads its counters however busy the session is', async () => {
    const world = new World();
    await world.goLive();
    for (let count = 0; count < 100; count += 1) {
      world.say({ type: 'user_joined', user_id: `u${count}`, username: 'U', role: 'viewer', viewer_count: count });
      await pass(50);
    }
    expect(world.phase, 'the picture stands still').toBe('waiting');
  });

  it('comes back when the server is killed and started again, also while it does not know the session yet', async () => {
    const world = new World();
    await world.goLive();
    world.admission = 'unreachable';
    world.socket.closed('lost');
    expect(world.phase).toBe('reconnecting');
    expect(world.subscription.closed).toBe(true);
    await pass(20_000);
    world.admission = 'absent';
    await pass(60_000);
    expect(world.phase).toBe('reconnecting');
    world.admission = 'granted';
    await pass(5_000);
    await world.goLive();
    expect(world.phases).toEqual(['connecting', 'live', 'reconnecting', 'live']);
  });

  it('brings the session back as its host, to a server that was started again', async () => {
    const world = new World({ hosts: true });
    await world.goLive();
    world.admission = 'absent';
    world.socket.closed('lost');
    await pass(2_000);
    expect(world.sockets).toHaveLength(2);
    await world.goLive();
    expect(world.phases).toEqual(['connecting', 'live', 'reconnecting', 'live']);
  });

  it('leaves as it is, also as its host, what has ended or never was', async () => {
    const stranger = new World({ hosts: true, admission: 'absent' });
    stranger.socket.closed('refused');
    const world = new World({ hosts: true });
    await world.goLive();
    world.admission = 'absent';
    world.say({ type: 'session_ended', reason: 'ended_by_host' });
    await pass(6 * 60_000);
    expect(stranger.sockets).toHaveLength(1);
    expect(world.sockets).toHaveLength(1);
  });

  it('says in the end that the session is not there', async () => {
    const world = new World();
    await world.goLive();
    world.admission = 'absent';
    world.socket.closed('lost');
    await pass(6 * 60_000);
    expect(world.phase).toBe('not-found');
  });

  it('shows that the host is away, and the picture when it goes on in the same slot', async () => {
    const world = new World();
    await world.goLive();
    world.say({ type: 'broadcast_stopped', user_id: 'h', username: 'Ada' });
    expect(world.phase).toBe('waiting');
    await pass(10_000);
    world.say({ type: 'broadcast_started', user_id: 'h', username: 'Ada' });
    await pass(2_000);
    expect(world.phase, 'frames from before do not count').toBe('connecting');
    await world.play(300);
    expect(world.phase).toBe('live');
    expect(world.sockets).toHaveLength(1);
  });

  it('notices a picture that stops without a word', async () => {
    const world = new World();
    await world.goLive();
    await pass(5_000);
    expect(world.phase).toBe('waiting');
    await world.play(1_200);
    expect(world.phase).toBe('live');
  });

  it('begins anew when the transport fails, or does not mend', async () => {
    const world = new World();
    await world.goLive();
    world.subscription.events.transport('failed');
    expect(world.phase).toBe('reconnecting');
    await pass(5_000);
    await world.goLive();
    world.subscription.events.transport('interrupted');
    await world.play(2_000);
    world.subscription.events.transport('connected');
    await world.play(6_000);
    expect(world.phase).toBe('live');
    world.subscription.events.transport('interrupted');
    await pass(4_500);
    expect(world.phase).toBe('reconnecting');
  });

  it('says that it is offline, and is back at once with the network', async () => {
    const world = new World();
    await world.goLive();
    world.online = false;
    world.admission = 'unreachable';
    world.connection.nudge();
    expect(world.socket.probes).toBe(1);
    world.socket.closed('lost');
    expect(world.phase).toBe('offline');
    await pass(60_000);
    world.online = true;
    world.admission = 'granted';
    world.connection.nudge();
    await pass(0);
    await world.goLive();
    expect(world.phases).toEqual(['connecting', 'live', 'offline', 'reconnecting', 'live']);
  });

  it('says that it is over, and goes in again when the host does', async () => {
    const world = new World();
    await world.goLive();
    world.admission = 'absent';
    world.say({ type: 'session_ended', reason: 'ended_by_host' });
    expect(world.phase).toBe('ended');
    await pass(60_000);
    expect(world.phase).toBe('ended');
    world.admission = 'granted';
    await pass(16_000);
    await world.goLive();
    expect(world.phases).toEqual(['connecting', 'live', 'ended', 'connecting', 'live']);
  });

  it('takes the end of a server that drains for an interruption', async () => {
    const world = new World();
    await world.goLive();
    world.say({ type: 'session_ended', reason: 'server_shutdown' });
    expect(world.phase).toBe('reconnecting');
  });
});

describe('slots', () => {
  const guest: ServerEvent = { type: 'slots_wanted', audio: 2, video: 3 };

  it('offers more when there is more to see, on the same connection', async () => {
    const world = new World();
    await world.goLive();
    world.say(guest);
    await pass(0);
    expect(world.subscription.extensions).toEqual([{ audio: 2, video: 3 }]);
    expect(world.socket.sent.at(-1)).toMatchObject({ signal_type: 'offer', signal_data: { sdp: 'offer of 2 + 3' } });
    world.answer('second answer');
    await pass(20_000);
    expect(world.subscriptions).toHaveLength(1);
    expect(world.subscription.answers).toEqual(['answer', 'second answer']);
  });

  it('never has two offers out, and asks for the most that was wanted', async () => {
    const world = new World();
    await world.goLive();
    world.say(guest);
    world.say({ type: 'slots_wanted', audio: 5, video: 1 });
    world.say({ type: 'slots_wanted', audio: 4, video: 7 });
    await pass(0);
    expect(world.subscription.extensions).toHaveLength(1);
    world.answer('second answer');
    await pass(0);
    expect(world.subscription.extensions.at(-1)).toEqual({ audio: 5, video: 7 });
    world.answer('third answer');
    await pass(0);
    expect(world.subscription.extensions).toHaveLength(2);
  });

  it('waits for the first answer', async () => {
    const world = new World();
    world.socket.opened();
    world.say(welcome());
    world.say(guest);
    await pass(0);
    expect(world.subscription.extensions).toHaveLength(0);
    world.answer('answer');
    await pass(0);
    expect(world.subscription.extensions).toHaveLength(1);
  });

  it('is not made to offer without end', async () => {
    const world = new World();
    await world.goLive();
    world.say({ type: 'slots_wanted', audio: 1_000_000, video: 1_000_000 });
    await pass(0);
    expect(world.subscription.extensions).toEqual([{ audio: 42, video: 42 }]);
  });

  it('begins anew where a later offer is not answered, or is refused', async () => {
    const world = new World();
    await world.goLive();
    world.say(guest);
    await world.play(10_000);
    expect(world.subscriptions).toHaveLength(2);
    await world.goLive();
    world.say(guest);
    await pass(0);
    world.say({ type: 'error', code: 'bad_offer', message: 'no', action: 'webrtc_signal' });
    expect(world.phase).toBe('reconnecting');
  });

  it('does not take a refused publication for its own', async () => {
    const world = new World();
    await world.goLive();
    world.say({ type: 'error', code: 'not_allowed', message: 'viewers do not publish', action: 'webrtc_signal' });
    expect(world.phase).toBe('live');
    expect(world.heard.at(-1)).toBe('error');
  });

  it('does not take a refused publication for its own, even while it waits for an answer', async () => {
    const world = new World();
    await world.goLive();
    world.say(guest);
    await pass(0);
    world.say({ type: 'error', code: 'no_video', message: 'no', action: 'webrtc_signal', connection: 'publish' });
    expect(world.phase).toBe('live');
    world.say({ type: 'error', code: 'bad_offer', message: 'no', action: 'webrtc_signal', connection: 'subscribe' });
    expect(world.phase).toBe('reconnecting');
  });
});

describe('taking part', () => {
  it('sends while it is in, and says when it is not', async () => {
    const world = new World();
    await world.goLive();
    expect(world.connection.send({ action: 'request_guest' })).toBe(true);
    expect(world.room?.asked).toBe(true);
    world.socket.closed('lost');
    expect(world.connection.send({ action: 'chat', message: 'hello' })).toBe(false);
  });

  it('hands on every message but those of its own connection, and first the one that opens', async () => {
    const world = new World();
    await world.enter();
    world.say({
      type: 'webrtc_signal',
      session_id: 'show',
      connection: 'publish',
      to_user_id: 'v',
      signal_type: 'answer',
      signal_data: { sdp: 'for the publisher' },
    });
    world.say({ type: 'pong' });
    expect(world.heard).toEqual(['current_participants', 'webrtc_signal', 'pong']);
    expect(world.subscription.answers).toEqual(['answer']);
  });

  it('comes in anew under another name, and shows that as an interruption', async () => {
    const world = new World();
    await world.goLive();
    const [first] = world.sockets;
    world.connection.enterAnew();
    expect(first?.left).toBe(true);
    expect(world.sockets).toHaveLength(2);
    await world.goLive();
    expect(world.phases).toEqual(['connecting', 'live', 'reconnecting', 'live']);
  });

  it('does not miss a picture that everybody turned off', async () => {
    const world = new World();
    await world.goLive();
    world.say({ type: 'slot_assigned', mid: '1', user_id: 'h', kind: 'video', source: 'camera' });
    world.say({
      type: 'participant_media_changed',
      user_id: 'h',
      audio_enabled: false,
      video_enabled: false,
      audio_muted: false,
      video_muted: false,
    });
    await pass(10_000);
    expect(world.phase).toBe('live');
  });

  it('waits for no answer in a mesh, where media comes from elsewhere', async () => {
    const world = new World();
    world.socket.opened();
    world.say(welcome({ topology: 'mesh' }));
    world.say({ type: 'error', code: 'mesh', message: 'no SFU here', action: 'webrtc_signal' });
    await pass(30_000);
    expect(world.sockets).toHaveLength(1);
    world.connection.framePresented();
    expect(world.phase).toBe('live');
  });
});

describe('being sent away', () => {
  it('says who did it and why, and stays away', async () => {
    const world = new World();
    await world.goLive();
    world.say({ type: 'kicked', by: 'Ada', reason: 'Be kind.' });
    expect(world.phase).toBe('expelled');
    expect(world.facts?.expulsion).toEqual({ by: 'Ada', reason: 'Be kind.' });
    world.connection.nudge();
    await pass(60_000);
    expect(world.sockets).toHaveLength(1);
    expect(world.socket.left).toBe(true);
  });

  it.each(['expelled', 'replaced'] as const)('does not come back from being %s', async (why) => {
    const world = new World();
    await world.goLive();
    world.socket.closed(why);
    world.connection.nudge();
    await pass(60_000);
    expect(world.phase).toBe(why);
    expect(world.sockets).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps the reason of the end', async () => {
    const world = new World();
    await world.goLive();
    world.admission = 'absent';
    world.say({ type: 'session_ended', reason: 'host_left' });
    expect(world.facts?.endReason).toBe('host_left');
  });
});

describe('leaving', () => {
  it('frees everything and stays away', async () => {
    const world = new World();
    await world.goLive();
    world.connection.close();
    world.connection.nudge();
    await pass(60_000);
    expect(world.socket.left).toBe(true);
    expect(world.subscription.closed).toBe(true);
    expect(world.sockets).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not come back from a question that was still open', async () => {
    const world = new World();
    await world.goLive();
    world.socket.closed('lost');
    await pass(170);
    world.connection.close();
    await pass(60_000);
    expect(world.sockets.length).toBeLessThanOrEqual(2);
    expect(world.sockets.every((socket, index) => index === 0 || socket.left)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
