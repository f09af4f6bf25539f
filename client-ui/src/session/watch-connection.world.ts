import { expect, vi } from 'vitest';
import type { ClientMessage, ServerEvent, ServerMessage } from '../protocol/bindings';
import type { MediaEngine, Subscription, SubscriptionEvents, Wanted } from '../media/engine';
import type { MediaSample } from '../media/sample';
import { welcome } from './fixtures';
import type { Facts, Link, Phase } from './phase';
import type { Admission } from './refusal';
import type { Room } from './room';
import type { SignalingEvents } from './signaling';
import { WatchConnection } from './watch-connection';

export class FakeSubscription implements Subscription {
  readonly offer = Promise.resolve('offer');
  readonly answers: string[] = [];
  readonly extensions: Wanted[] = [];
  readonly detours: RTCConfiguration[] = [];
  closed = false;
  frames = 0;
  arrived: number | null = null;

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

  goRound(configuration: RTCConfiguration): Promise<string> {
    this.detours.push(configuration);
    return Promise.resolve('offer of a detour');
  }

  arrivals(): number | null {
    return this.arrived;
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
export class World {
  admission: Admission = 'granted';
  online = true;
  codecs = ['H264', 'VP8'];
  codecsOnAir = ['H264'];
  works = true;
  hosts = false;
  meshless = false;
  readonly sockets: (SignalingEvents & { sent: ClientMessage[]; left: boolean; probes: number })[] = [];
  readonly subscriptions: FakeSubscription[] = [];
  readonly phases: Phase[] = [];
  readonly links: Link[] = [];
  readonly heard: ServerMessage['type'][] = [];
  facts: Facts | null = null;
  room: Room | null = null;
  readonly connection: WatchConnection;

  constructor(change: Partial<Pick<World, 'works' | 'codecs' | 'admission' | 'hosts' | 'meshless'>> = {}) {
    Object.assign(this, change);
    const engine: MediaEngine = {
      surface: 'video',
      works: this.works,
      ...(this.meshless && { meshless: true }),
      videoCodecs: () => Promise.resolve(this.codecs),
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

export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}
