import type { Presence } from '../api/http';
import type { MediaEngine, Subscription } from '../media/engine';
import type { MediaSample } from '../media/sample';
import type { ClientMessage, ServerMessage, Topology } from '../protocol/bindings';
import { DORMANT_BACKOFF, VIEWER_BACKOFF, backoff } from './backoff';
import { FlowWatch } from './flow';
import { FIRST_FACTS, type Facts, type Flow, type Phase, isFinal, phaseOf } from './phase';
import { type Admission, BLOCKED } from './refusal';
import { UNKNOWN_ROOM, type Room, expectation, receive, sent } from './room';
import type { Closure, OpenSignaling } from './signaling';
import { Visit } from './visit';

/** What a server forwards of pictures, as in SDP. */
const FORWARDED_CODECS = ['H264', 'VP8', 'VP9', 'AV1'] as const;

/** How often the counters are read. */
const SAMPLE_EVERY_MS = 1_000;

/** The same while the first frame is awaited, where a second would be seen. */
const SAMPLE_SOON_MS = 100;

/**
 * How long a session that was live may be unknown to a server before its page says so. A server that was restarted
 * hears of a session again only from its publisher, who may need a while as well.
 */
const ABSENCE_GRACE_MS = 5 * 60_000;

/** What the connection needs from outside. */
export interface WatchSurroundings {
  readonly engine: MediaEngine;
  readonly openSignaling: OpenSignaling;
  /** Whether this person's token brings back a session that the server has lost: it is the host's. */
  readonly hosts: boolean;
  presenceOf(sessionId: string): Promise<Presence>;
  /** Why we are not let in, or whether we would be by now. */
  admissionTo(sessionId: string): Promise<Admission>;
  videoCodecsOnAir(sessionId: string): Promise<string[]>;
  isOnline(): boolean;
  random(): number;
}

/** What the connection reports. */
export interface WatchEvents {
  phase(phase: Phase, facts: Facts): void;
  room(room: Room): void;
  /** After the room that follows from it. */
  message(message: ServerMessage): void;
  /** The subscription that is to be shown; `null` before the one that was shown is closed. */
  subscription(subscription: Subscription | null): void;
  sample(sample: MediaSample): void;
}

/** Watches one session until it is closed, through every loss of server, network and host. */
export class WatchConnection {
  readonly #sessionId: string;
  readonly #outside: WatchSurroundings;
  readonly #events: WatchEvents;
  #facts: Facts;
  #room: Room = UNKNOWN_ROOM;
  #visit: Visit | null = null;
  #flowWatch = new FlowWatch();
  #failures = 0;
  #absentSince: number | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #sampling: ReturnType<typeof setTimeout> | undefined;
  /** Whether the server was asked for any picture. */
  #sees = true;
  #closed = false;

  constructor(sessionId: string, outside: WatchSurroundings, events: WatchEvents) {
    this.#sessionId = sessionId;
    this.#outside = outside;
    this.#events = events;
    this.#facts = { ...FIRST_FACTS, engineWorks: outside.engine.works, online: outside.isOnline() };
    events.phase(phaseOf(this.#facts), this.#facts);
    if (this.#facts.engineWorks) {
      this.#visitNow();
    }
  }

  /**
   * Ends everything.
   *
   * @param forGood - whether nobody comes back to this place in the session
   */
  close(forGood = false): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#leave(forGood);
  }

  /** Sends, where the connection is open; whether it was. */
  send(message: ClientMessage): boolean {
    if (this.#visit?.send(message) !== true) {
      return false;
    }
    const room = sent(this.#room, message);
    if (room !== this.#room) {
      this.#room = room;
      this.#events.room(room);
    }
    return true;
  }

  /** Gives up the place in the session and comes in anew: under another name. */
  enterAnew(): void {
    if (this.#closed || this.#visit === null) {
      return;
    }
    const wasIn = this.#facts.link === 'open';
    this.#leave(true);
    this.#learn({ link: wasIn ? 'down' : this.#facts.link, flow: 'none', lost: this.#facts.lost || wasIn });
    this.#visitNow();
  }

  /** The network came or went, the page came back into view: whatever is waiting need not wait longer. */
  nudge(): void {
    if (this.#closed || !this.#facts.engineWorks || isFinal(this.#facts)) {
      return;
    }
    this.#learn({ online: this.#outside.isOnline() });
    if (this.#visit !== null) {
      this.#visit.probe();
    } else {
      this.#failures = 0;
      clearTimeout(this.#retry);
      void this.#tryAgain();
    }
  }

  /** Whether the server sends pictures: those that it was told nobody sees are not missed. */
  expectPictures(expected: boolean): void {
    const again = expected && !this.#sees;
    this.#sees = expected;
    if (again && this.#visit !== null) {
      this.#sampleSoon();
    }
  }

  /** The element that shows the subscription has presented a frame: sooner than the counters would tell. */
  framePresented(): void {
    if (this.#visit !== null) {
      this.#judge('flowing');
    }
  }

  #learn(news: Partial<Facts>): void {
    const before = this.#facts;
    this.#facts = { ...before, ...news };
    if (Object.keys(news).some((key) => before[key as keyof Facts] !== this.#facts[key as keyof Facts])) {
      this.#events.phase(phaseOf(this.#facts), this.#facts);
    }
  }

  #visitNow(): void {
    this.#flowWatch = new FlowWatch();
    const visit = new Visit(this.#sessionId, this.#outside.engine, this.#outside.openSignaling, {
      message: (message) => this.#message(message),
      transport: () => this.#sampleSoon(),
      over: (end) => this.#over(end),
    });
    this.#visit = visit;
    this.#events.subscription(visit.subscription);
  }

  #leave(forGood = false): void {
    clearTimeout(this.#sampling);
    if (this.#visit !== null) {
      this.#events.subscription(null);
      this.#visit.close(forGood);
      this.#visit = null;
    }
  }

  #message(message: ServerMessage): void {
    const wasOnAir = this.#room.onAir;
    this.#room = receive(this.#room, message, Date.now());
    this.#events.room(this.#room);
    this.#follow(message, wasOnAir);
    this.#events.message(message);
  }

  #follow(message: ServerMessage, wasOnAir: boolean): void {
    if (message.type === 'session_ended') {
      const returns = message.reason === 'server_shutdown';
      this.#leave();
      this.#learn({
        link: returns ? 'down' : 'ended',
        flow: 'none',
        onAir: false,
        lost: returns,
        endReason: message.reason,
      });
      this.#retryLater();
      return;
    }
    if (message.type === 'kicked') {
      this.#leave(true);
      this.#learn({ link: 'expelled', flow: 'none', expulsion: { by: message.by, reason: message.reason } });
      return;
    }
    const entered = message.type === 'current_participants';
    if (entered) {
      this.#absentSince = null;
    }
    if (this.#room.onAir !== wasOnAir) {
      this.#flowWatch.restart();
    }
    this.#learn({
      ...(entered && { link: 'open', flow: 'none', meshless: this.#isShutOut(message.topology) }),
      ...(!this.#room.onAir && { flow: 'none', unplayableCodec: null }),
      onAir: this.#room.onAir,
    });
    if (this.#room.onAir && (entered || !wasOnAir)) {
      void this.#lookForUnplayableCodec();
    }
    // Not at every message: in a busy session they would put the next sample off for ever.
    if (entered || this.#room.onAir !== wasOnAir) {
      this.#sampleSoon();
    }
  }

  #isShutOut(topology: Topology): boolean {
    return topology === 'mesh' && this.#outside.engine.meshless === true;
  }

  #over(end: Closure): void {
    const wasIn = this.#facts.link === 'open';
    this.#events.subscription(null);
    clearTimeout(this.#sampling);
    this.#visit = null;
    if (end === 'replaced' || end === 'expelled') {
      this.#learn({ link: end, flow: 'none' });
      return;
    }
    this.#learn({
      // What was learnt about the session before still holds when a mere attempt to enter it fails.
      link: wasIn || this.#facts.link === 'opening' ? 'down' : this.#facts.link,
      flow: 'none',
      lost: this.#facts.lost || wasIn,
      online: this.#outside.isOnline(),
    });
    if (end === 'refused') {
      // A browser does not say why; the server does, by plain HTTP.
      void this.#tryAgain({ refusedBefore: true });
    } else {
      this.#retryLater();
    }
  }

  #retryLater(): void {
    if (this.#closed || isFinal(this.#facts)) {
      return;
    }
    const dormant = this.#facts.link === 'ended' || (this.#facts.link === 'absent' && !this.#facts.lost);
    const wait = backoff(this.#failures, dormant ? DORMANT_BACKOFF : VIEWER_BACKOFF, this.#outside.random);
    this.#failures += 1;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#tryAgain(), wait);
  }

  /** @param refusedBefore - whether a WebSocket was refused just now, so that the next one has to wait */
  async #tryAgain({ refusedBefore = false } = {}): Promise<void> {
    const admission = await this.#ask(refusedBefore);
    if (this.#closed || this.#visit !== null) {
      return;
    }
    clearTimeout(this.#retry);
    if (!refusedBefore && (admission === 'granted' || (admission === 'absent' && this.#bringsBack()))) {
      this.#visitNow();
      return;
    }
    if (admission === 'absent') {
      this.#absent();
    } else if (this.#facts.link !== 'ended') {
      this.#notIn(admission);
    }
    this.#retryLater();
  }

  /** Whether there is a session to go into, and after a refusal why not. */
  async #ask(refusedBefore: boolean): Promise<Admission> {
    const presence = await this.#outside.presenceOf(this.#sessionId);
    if (presence !== 'present') {
      return presence;
    }
    return refusedBefore ? this.#outside.admissionTo(this.#sessionId) : 'granted';
  }

  /** Nobody but the host can bring back what a server forgot when it was restarted; what has ended stays so. */
  #bringsBack(): boolean {
    return this.#outside.hosts && this.#facts.lost && this.#facts.link !== 'ended';
  }

  #notIn(admission: Exclude<Admission, 'absent'>): void {
    const online = this.#outside.isOnline();
    if (admission === 'unreachable') {
      this.#learn({ link: 'down', online });
    } else if (admission !== 'granted') {
      this.#learn({ link: 'refused', refusal: admission, online });
    } else if (this.#failures > 0) {
      // Once may be chance: a place was freed between the two questions.
      this.#learn({ link: 'refused', refusal: BLOCKED, online });
    }
  }

  #absent(): void {
    if (this.#facts.link === 'ended') {
      return;
    }
    this.#absentSince ??= Date.now();
    const patience = Date.now() - this.#absentSince < ABSENCE_GRACE_MS;
    this.#learn({ link: 'absent', lost: this.#facts.lost && patience });
  }

  /** Who lacks a codec can tell only from what is on air: some pictures may well be played, and the next stream's too. */
  async #lookForUnplayableCodec(): Promise<void> {
    const playable = await this.#outside.engine.videoCodecs();
    if (FORWARDED_CODECS.every((codec) => playable.includes(codec))) {
      return;
    }
    const onAir = await this.#outside.videoCodecsOnAir(this.#sessionId);
    if (!this.#closed && this.#room.onAir) {
      const isAnyPlayed = onAir.some((codec) => playable.includes(codec));
      this.#learn({ unplayableCodec: isAnyPlayed ? null : (onAir[0] ?? null) });
    }
  }

  /** `none` from the counters is no news: they lag behind the frames that the page has seen already. */
  #judge(flow: Flow): void {
    if (!this.#room.onAir || this.#facts.link !== 'open' || flow === 'none') {
      return;
    }
    if (flow === 'flowing') {
      this.#failures = 0;
      this.#learn({ flow, lost: false });
    } else {
      this.#learn({ flow });
    }
  }

  #sampleSoon(): void {
    clearTimeout(this.#sampling);
    this.#sampling = setTimeout(() => void this.#sample(), SAMPLE_SOON_MS);
  }

  async #sample(): Promise<void> {
    const visit = this.#visit;
    if (visit === null) {
      return;
    }
    const sample = await visit.subscription.sample();
    if (this.#visit !== visit || this.#closed) {
      return;
    }
    const expected = expectation(this.#room);
    const unseen = expected === 'picture' && !this.#sees;
    if (sample !== null) {
      this.#events.sample(sample);
    }
    if (unseen) {
      this.#flowWatch.pause();
    } else if (sample !== null) {
      const flow = this.#flowWatch.observe(sample, expected === 'picture');
      this.#judge(expected === 'nothing' ? 'flowing' : flow);
    }
    clearTimeout(this.#sampling);
    const soon = this.#room.onAir && this.#facts.flow === 'none' && !unseen;
    this.#sampling = setTimeout(() => void this.#sample(), soon ? SAMPLE_SOON_MS : SAMPLE_EVERY_MS);
  }
}
