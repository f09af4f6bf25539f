import type {
  ClientMessage,
  IceServer,
  ServerMessage,
  SignalData,
  SignalType,
  TrackSource,
} from '../protocol/bindings';
import { MeshPeer, type Sent } from './mesh-peer';
import { type Said, Setbacks } from './mesh-setbacks';

/** The people of a mesh beside oneself, at most; the server lets no more in. */
const MAX_PEERS = 20;

/** Less than this shows nothing that is worth its bits, in bits per second. */
const MIN_BITRATE_BPS = 150_000;

/** What a mesh needs from outside. */
export interface MeshSurroundings {
  /** @param iceServers - by which it learns its addresses from outside, or is relayed */
  createConnection(iceServers: IceServer[]): RTCPeerConnection;
  createStream(): MediaStream;
  send(message: ClientMessage): boolean;
}

/** What comes from the others, by their user id. */
export interface MeshStreams {
  readonly people: ReadonlyMap<string, MediaStream>;
  readonly screens: ReadonlyMap<string, MediaStream>;
}

/** What comes where nobody is heard. */
export const NO_STREAMS: MeshStreams = { people: new Map(), screens: new Map() };

/**
 * The camera's share for each of the others, in bits per second.
 *
 * @param bitrateBps - of all together
 */
export function shareOf(bitrateBps: number, peers: number): number {
  return Math.max(MIN_BITRATE_BPS, Math.round(bitrateBps / Math.max(1, peers)));
}

/**
 * Media straight from browser to browser: a connection with everybody in the session whom one sends to or hears from.
 * Whoever has something to send offers; between two who both do, the one whose id sorts lower gives way.
 */
export class MeshPeers {
  readonly #outside: MeshSurroundings;
  readonly #changed: (streams: MeshStreams) => void;
  readonly #peers = new Map<string, MeshPeer>();
  readonly #others = new Set<string>();
  readonly #setbacks = new Setbacks((userId, missed) => this.#again(userId, missed));
  readonly #tracks = new Map<TrackSource, MediaStreamTrack>();
  readonly #people = new Map<string, MediaStream>();
  readonly #screens = new Map<string, MediaStream>();
  readonly #person: MediaStream;
  readonly #screen: MediaStream;
  #bitrateBps = 0;
  #you: string | null = null;
  #iceServers: IceServer[] = [];

  constructor(outside: MeshSurroundings, changed: (streams: MeshStreams) => void) {
    this.#outside = outside;
    this.#changed = changed;
    this.#person = outside.createStream();
    this.#screen = outside.createStream();
  }

  /** Sends `track` as what comes from `source`; `null` sends nothing from there. */
  set(source: TrackSource, track: MediaStreamTrack | null): void {
    if ((this.#tracks.get(source) ?? null) === track) {
      return;
    }
    if (track === null) {
      this.#tracks.delete(source);
    } else {
      this.#tracks.set(source, track);
    }
    this.#give();
  }

  /** @param bitrateBps - of the camera, to all together */
  setBitrate(bitrateBps: number): void {
    this.#bitrateBps = bitrateBps;
    this.#give();
  }

  /** Hears what the server says; nothing of it matters in a session that is no mesh. */
  receive(message: ServerMessage): void {
    if (message.type === 'current_participants') {
      this.#iceServers = message.ice_servers;
      this.#entered(
        message.topology === 'mesh' ? message.you.user_id : null,
        message.participants.map((one) => one.user_id),
      );
      return;
    }
    if (this.#you === null) {
      return;
    }
    if (message.type === 'user_joined' && message.user_id !== this.#you) {
      this.#others.add(message.user_id);
      this.#give();
    } else if (message.type === 'user_left') {
      this.#others.delete(message.user_id);
      this.#setbacks.forget(message.user_id);
      this.#drop(message.user_id);
    } else if (message.type === 'webrtc_signal' && message.from_user_id !== undefined) {
      this.#signal(message.from_user_id, message.signal_type, message.signal_data);
    }
  }

  /** The device has another address now. */
  networkChanged(): void {
    this.#peers.forEach((peer) => peer.restart());
  }

  /** Sends nothing any more. The others are still heard. */
  silence(): void {
    this.#tracks.clear();
    // What was sent ends with its connection; whoever sends offers a new one.
    [...this.#peers.keys()].forEach((userId) => this.#drop(userId));
  }

  /** Ends all connections. */
  close(): void {
    this.#you = null;
    this.#others.clear();
    this.#tracks.clear();
    this.#setbacks.forgetAll();
    [...this.#peers.keys()].forEach((userId) => this.#drop(userId));
  }

  #entered(you: string | null, participants: readonly string[]): void {
    if (you !== this.#you) {
      this.#setbacks.forgetAll();
      [...this.#peers.keys()].forEach((userId) => this.#drop(userId));
    }
    this.#you = you;
    this.#others.clear();
    participants.filter((userId) => you !== null && userId !== you).forEach((userId) => this.#others.add(userId));
    for (const [userId, peer] of this.#peers) {
      if (!this.#others.has(userId)) {
        this.#drop(userId);
      } else {
        // What was said while the signaling was away is lost; a restart says it again.
        peer.restart();
      }
    }
    this.#give();
  }

  #signal(from: string, type: SignalType, data: SignalData): void {
    if (from === this.#you) {
      return;
    }
    this.#others.add(from);
    if (this.#setbacks.keep(from, { type, data })) {
      return;
    }
    let peer = this.#peers.get(from);
    if (peer === undefined) {
      // An answer to nothing is nobody's; a candidate may come before its offer.
      if (type === 'answer' || this.#peers.size >= MAX_PEERS) {
        return;
      }
      peer = this.#connect(from);
    }
    peer.receive(type, data);
  }

  #connect(userId: string): MeshPeer {
    const peer: MeshPeer = new MeshPeer(
      this.#outside.createConnection(this.#iceServers),
      (this.#you ?? '') < userId,
      (type, data) => this.#say(userId, type, data),
      {
        streams: (person, screen) => this.#heard(userId, person, screen),
        held: () => this.#setbacks.forget(userId),
        lost: (offer) => this.#replace(userId, peer, offer),
      },
    );
    this.#peers.set(userId, peer);
    if (this.#tracks.size > 0) {
      peer.give(this.#sent());
    }
    return peer;
  }

  #say(userId: string, type: SignalType, data: SignalData): void {
    this.#outside.send({ action: 'webrtc_signal', to_user_id: userId, signal_type: type, signal_data: data });
  }

  #replace(userId: string, peer: MeshPeer, offer: string | null): void {
    if (this.#peers.get(userId) !== peer) {
      return;
    }
    this.#drop(userId);
    if (this.#others.has(userId)) {
      this.#setbacks.add(userId, offer === null ? [] : [{ type: 'offer', data: { sdp: offer } }]);
    }
  }

  /** Connects once more with somebody whose connection was lost, and who may have said something since. */
  #again(userId: string, missed: readonly Said[]): void {
    const isWanted = missed.length > 0 || this.#tracks.size > 0;
    if (!isWanted || !this.#others.has(userId) || this.#peers.size >= MAX_PEERS) {
      return;
    }
    const peer = this.#connect(userId);
    missed.forEach(({ type, data }) => peer.receive(type, data));
  }

  #drop(userId: string): void {
    this.#peers.get(userId)?.close();
    this.#peers.delete(userId);
    this.#heard(userId, null, null);
  }

  #give(): void {
    for (const userId of this.#others) {
      const peer = this.#peers.get(userId);
      if (peer !== undefined) {
        peer.give(this.#sent());
      } else if (this.#tracks.size > 0 && this.#peers.size < MAX_PEERS && !this.#setbacks.isPausing(userId)) {
        this.#connect(userId);
      }
    }
  }

  #sent(): Sent {
    return {
      tracks: this.#tracks,
      person: this.#person,
      screen: this.#screen,
      bitrateBps: shareOf(this.#bitrateBps, this.#others.size),
    };
  }

  #heard(userId: string, person: MediaStream | null, screen: MediaStream | null): void {
    const before = [this.#people.get(userId) ?? null, this.#screens.get(userId) ?? null];
    if (before[0] === person && before[1] === screen) {
      return;
    }
    put(this.#people, userId, person);
    put(this.#screens, userId, screen);
    this.#changed({ people: new Map(this.#people), screens: new Map(this.#screens) });
  }
}

function put(map: Map<string, MediaStream>, key: string, stream: MediaStream | null): void {
  if (stream === null) {
    map.delete(key);
  } else {
    map.set(key, stream);
  }
}
