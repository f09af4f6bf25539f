import { mediaEngine } from '../media/current';
import type { RoomLink } from '../session/link';
import { MeshPeers, NO_STREAMS } from './mesh';

/** What comes from the others in a session that is a mesh, for whoever shows it. */
export class MeshRoom {
  /** By their user id. */
  streams = $state.raw<ReadonlyMap<string, MediaStream>>(NO_STREAMS.people);
  /** Shared screens, by the user id of whoever shares. */
  screens = $state.raw<ReadonlyMap<string, MediaStream>>(NO_STREAMS.screens);
  readonly peers: MeshPeers;
  readonly #stopListening: () => void;
  readonly #networkChanged = () => this.peers.networkChanged();

  constructor(link: RoomLink) {
    this.peers = new MeshPeers(
      {
        createConnection: (iceServers) => new RTCPeerConnection({ iceServers }),
        createStream: () => new MediaStream(),
        send: (message) => link.send(message),
      },
      ({ people, screens }) => {
        this.streams = people;
        this.screens = screens;
      },
    );
    // Where nothing can be part of a mesh, nobody is to be answered.
    const meshless = mediaEngine().meshless === true;
    this.#stopListening = meshless ? () => undefined : link.listen((message) => this.peers.receive(message));
    addEventListener('online', this.#networkChanged);
  }

  /** Ends all its connections. */
  close(): void {
    this.#stopListening();
    removeEventListener('online', this.#networkChanged);
    this.peers.close();
  }
}

const rooms = new WeakMap<RoomLink, MeshRoom>();

/**
 * The mesh of a room: one for whoever shows and whoever sends. To be asked for before the room is entered, since it has to
 * hear who is there; it does nothing in a session that is no mesh.
 */
export function meshOf(link: RoomLink): MeshRoom {
  const known = rooms.get(link);
  if (known !== undefined) {
    return known;
  }
  const room = new MeshRoom(link);
  rooms.set(link, room);
  return room;
}

/** Leaves the mesh of a room. */
export function leaveMesh(link: RoomLink): void {
  rooms.get(link)?.close();
  rooms.delete(link);
}
