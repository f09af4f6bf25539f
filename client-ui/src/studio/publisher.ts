import { RELAY_AFTER_MS, relay } from '../media/relay';
import type { ClientMessage, ServerMessage, SignalData, TrackSource } from '../protocol/bindings';
import { VIEWER_BACKOFF, backoff } from '../session/backoff';
import { preferH264 } from './codecs';
import { MAX_EARLY } from './early';
import {
  MICROPHONE_BPS,
  type Quality,
  SCREEN_AUDIO_BPS,
  SCREEN_BPS,
  SCREEN_FPS,
  layersFor,
  singleFor,
  withQuality,
} from './quality';
import { resumptionOf } from './return';
import { SOURCES, isShared, sourceMap } from './sources';
import { inStereo } from './stereo';

/** From an offer to its answer; longer means that one of them is lost. */
const ANSWER_WITHIN_MS = 8_000;

/** How long an offer waits to hear which codecs are on air. */
const CODECS_WITHIN_MS = 1_000;

/** From the answer to connected media; longer means that the media port cannot be reached. */
const CONNECT_WITHIN_MS = 12_000;

/** How long an interrupted transport may mend itself: some packets lost are no reason for an ICE restart. */
const MEND_WITHIN_MS = 2_000;

/** From an ICE restart to connected media; longer means that the server has forgotten the connection. */
const RESTART_WITHIN_MS = 6_000;

/** How far the media's way is. */
export type PublishState = 'connecting' | 'connected' | 'interrupted';

/** What a publisher needs from outside. */
export interface PublisherSurroundings {
  createConnection(): RTCPeerConnection;
  /** Sends, where the signaling is open; whether it was. */
  send(message: ClientMessage): boolean;
  /** The video codecs that others in the session send, in upper case. */
  codecsOnAir(): Promise<string[]>;
  random(): number;
}

/** What a publisher reports. */
export interface PublisherEvents {
  state(state: PublishState): void;
  /** The server did not take the offer, in its words; it is offered again after a while. */
  refused(message: string): void;
}

/**
 * Sends the tracks it is given to the server, until it is closed, through every loss of signaling and network.
 *
 * One connection, on which only we offer, and never a second offer before the first one's answer (RFC 8829 §5.5). A track
 * that takes another's place needs no offer; one of a source that was not there before does.
 */
export class Publisher {
  readonly #outside: PublisherSurroundings;
  readonly #events: PublisherEvents;
  readonly #tracks = new Map<TrackSource, MediaStreamTrack>();
  readonly #sections = new Map<TrackSource, RTCRtpTransceiver>();
  #quality: Quality;
  #connection: RTCPeerConnection | null = null;
  #wasConnected = false;
  /** Whether an offer is in the making, or waits for its answer. */
  #offered = false;
  /** Whether something has changed that the last offer does not say. */
  #owed = false;
  /** Candidates of the server's that came before its answer. */
  #early: RTCIceCandidateInit[] = [];
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #answering: ReturnType<typeof setTimeout> | undefined;
  #detour: ReturnType<typeof setTimeout> | undefined;
  /** Whether the relays were brought in after the direct ways had led nowhere. */
  #goesRound = false;
  #closed = false;

  constructor(quality: Quality, outside: PublisherSurroundings, events: PublisherEvents) {
    this.#quality = quality;
    this.#outside = outside;
    this.#events = events;
  }

  /** Begins. Tracks that are there by now go into the first offer. */
  open(): void {
    this.#renew();
  }

  /** Puts `track` in the place of what came from `source`; `null` sends nothing from there. */
  set(source: TrackSource, track: MediaStreamTrack | null): void {
    if ((this.#tracks.get(source) ?? null) === track) {
      return;
    }
    if (track === null) {
      this.#tracks.delete(source);
    } else {
      this.#tracks.set(source, track);
    }
    if (this.#connection !== null) {
      this.#place(this.#connection, source, track);
    }
  }

  /** Encodes the camera at another bitrate, on the connection as it is. */
  setQuality(quality: Quality): void {
    this.#quality = quality;
    const camera = this.#sections.get('camera');
    if (camera !== undefined) {
      void this.#encode(camera.sender);
    }
  }

  /** The camera's picture has another shape now: a phone was turned. */
  pictureTurned(): void {
    this.setQuality(this.#quality);
  }

  /** Hears what the server says; only what concerns this connection matters. */
  receive(message: ServerMessage): void {
    if (message.type === 'current_participants') {
      this.#returned(message.you.on_air);
    } else if (message.type === 'webrtc_signal' && message.connection === 'publish') {
      void this.#signal(message.signal_data);
    } else if (message.type === 'error' && message.action === 'webrtc_signal' && message.connection !== 'subscribe') {
      if (this.#offered) {
        this.#events.refused(message.message);
        this.#again();
      }
    }
  }

  /** How the connection is doing, as `read` reads it; `null` where there is none. */
  async sample<T>(read: (connection: RTCPeerConnection) => Promise<T | null>): Promise<T | null> {
    return this.#connection === null ? null : read(this.#connection);
  }

  /** The device has another address now: new candidates on the connection that is there. */
  networkChanged(): void {
    if (this.#connection !== null && this.#wasConnected) {
      this.#restart(this.#connection);
    }
  }

  /** Sends nothing any more, and tells the server so. Settles when that is said. */
  async close(): Promise<void> {
    const connection = this.#connection;
    const farewell = connection !== null && this.#wasConnected && !this.#offered;
    this.#closed = true;
    this.#let();
    if (!farewell) {
      connection?.close();
      return;
    }
    // Without it the others would look at the last picture until the server misses our packets.
    this.#sections.forEach((section) => (section.direction = 'inactive'));
    await connection
      .setLocalDescription()
      .then(() => this.#sendOffer(connection))
      .catch(() => undefined)
      .finally(() => connection.close());
  }

  /** Lets go of the connection without closing it. */
  #let(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#answering);
    clearTimeout(this.#detour);
    if (this.#connection !== null) {
      this.#connection.onconnectionstatechange = null;
      this.#connection = null;
    }
    this.#wasConnected = this.#offered = this.#owed = this.#goesRound = false;
    this.#early = [];
  }

  #renew(): void {
    this.#connection?.close();
    this.#let();
    if (this.#closed) {
      return;
    }
    this.#sections.clear();
    const connection = this.#outside.createConnection();
    this.#connection = connection;
    connection.onconnectionstatechange = () => this.#transport(connection);
    this.#events.state('connecting');
    for (const source of SOURCES) {
      const track = this.#tracks.get(source);
      if (track !== undefined) {
        this.#place(connection, source, track);
      }
    }
  }

  /** Makes another connection, after a while. */
  #again(): void {
    this.#connection?.close();
    this.#let();
    this.#events.state('interrupted');
    this.#timer = setTimeout(() => this.#renew(), backoff(this.#failures, VIEWER_BACKOFF, this.#outside.random));
    this.#failures += 1;
  }

  #place(connection: RTCPeerConnection, source: TrackSource, track: MediaStreamTrack | null): void {
    const section = this.#sections.get(source);
    if (section === undefined) {
      if (track !== null) {
        this.#sections.set(source, this.#add(connection, source, track));
        this.#negotiate(connection);
      }
      return;
    }
    void this.#exchange(connection, source, section.sender, track);
    const direction = track === null && isShared(source) ? 'inactive' : 'sendonly';
    if (section.direction !== direction) {
      section.direction = direction;
      this.#negotiate(connection);
    }
  }

  async #exchange(
    connection: RTCPeerConnection,
    source: TrackSource,
    sender: RTCRtpSender,
    track: MediaStreamTrack | null,
  ): Promise<void> {
    try {
      await sender.replaceTrack(track);
    } catch {
      // A track that cannot be sent as it was negotiated (W3C WebRTC §5.2) is offered anew.
      if (this.#connection === connection) {
        this.#renew();
      }
      return;
    }
    if (source === 'camera' && track !== null && this.#connection === connection) {
      // Another camera may have another size, and with it other layers.
      await this.#encode(sender);
    }
  }

  #add(connection: RTCPeerConnection, source: TrackSource, track: MediaStreamTrack): RTCRtpTransceiver {
    const init = { direction: 'sendonly' } as const;
    switch (source) {
      case 'microphone':
        return connection.addTransceiver(track, { ...init, sendEncodings: [{ maxBitrate: MICROPHONE_BPS }] });
      case 'screen_audio':
        return connection.addTransceiver(track, { ...init, sendEncodings: [{ maxBitrate: SCREEN_AUDIO_BPS }] });
      case 'screen':
        return connection.addTransceiver(track, {
          ...init,
          sendEncodings: [{ maxBitrate: SCREEN_BPS, maxFramerate: SCREEN_FPS }],
        });
      case 'camera':
        try {
          return connection.addTransceiver(track, { ...init, sendEncodings: layersFor(this.#quality, linesOf(track)) });
        } catch {
          // A browser without simulcast may refuse more than one encoding instead of leaving the others out.
          return connection.addTransceiver(track, { ...init, sendEncodings: singleFor(this.#quality) });
        }
    }
  }

  /** Something is to be offered: now, or once the offer that is out has its answer. */
  #negotiate(connection: RTCPeerConnection): void {
    this.#owed = true;
    void this.#offer(connection);
  }

  async #offer(connection: RTCPeerConnection): Promise<void> {
    if (!this.#owed || this.#offered) {
      return;
    }
    this.#offered = true;
    // Sections that are added in the same breath go into the same offer.
    await Promise.resolve();
    await this.#agreeOnCodec(connection);
    if (this.#connection !== connection) {
      return;
    }
    this.#owed = false;
    try {
      await connection.setLocalDescription();
    } catch {
      if (this.#connection === connection) {
        this.#again();
      }
      return;
    }
    if (this.#connection === connection) {
      this.#sendOffer(connection);
    }
  }

  /** Somebody whose picture is in H.264 may be unable to decode another codec, as the app on Linux is. */
  async #agreeOnCodec(connection: RTCPeerConnection): Promise<void> {
    const offeredFirst = () =>
      [...this.#sections]
        .filter(([source, { mid }]) => (source === 'camera' || source === 'screen') && mid === null)
        .map(([, section]) => section);
    if (offeredFirst().length === 0) {
      return;
    }
    const late = new Promise<string[]>((resolve) => setTimeout(() => resolve([]), CODECS_WITHIN_MS));
    const onAir = await Promise.race([this.#outside.codecsOnAir(), late]);
    if (this.#connection === connection && onAir.includes('H264')) {
      offeredFirst().forEach(preferH264);
    }
  }

  /** Sends the offer as it stands, without waiting for candidates: the server learns ours from our checks. */
  #sendOffer(connection: RTCPeerConnection): void {
    const sent = this.#outside.send({
      action: 'webrtc_signal',
      connection: 'publish',
      signal_type: 'offer',
      signal_data: { sdp: connection.localDescription?.sdp ?? '' },
      sources: sourceMap(this.#sections),
    });
    clearTimeout(this.#answering);
    if (sent && !this.#closed) {
      this.#answering = setTimeout(() => this.#again(), ANSWER_WITHIN_MS);
    }
    // Otherwise the signaling is away, and what to do is decided when it is back.
  }

  async #signal(data: SignalData): Promise<void> {
    const connection = this.#connection;
    if (connection === null) {
      return;
    }
    try {
      if ('sdp' in data) {
        await this.#accept(connection, data.sdp);
      } else if (connection.remoteDescription === null) {
        if (this.#early.length < MAX_EARLY) {
          this.#early.push(data);
        }
      } else {
        await connection.addIceCandidate(data);
      }
    } catch {
      if (this.#connection === connection) {
        this.#again();
      }
    }
  }

  async #accept(connection: RTCPeerConnection, answer: string): Promise<void> {
    if (connection.signalingState !== 'have-local-offer') {
      return;
    }
    clearTimeout(this.#answering);
    const shared = this.#sections.get('screen_audio')?.mid ?? null;
    const sdp = inStereo(answer, new Set(shared === null ? [] : [shared]));
    await connection.setRemoteDescription({ type: 'answer', sdp });
    if (this.#connection !== connection) {
      return;
    }
    for (const candidate of this.#early.splice(0)) {
      await connection.addIceCandidate(candidate);
    }
    this.#offered = false;
    if (connection.connectionState !== 'connected') {
      this.#waitFor(this.#wasConnected ? RESTART_WITHIN_MS : CONNECT_WITHIN_MS);
      clearTimeout(this.#detour);
      this.#detour = setTimeout(() => this.#goRound(connection), RELAY_AFTER_MS);
    }
    const camera = this.#sections.get('camera');
    if (camera !== undefined) {
      await this.#encode(camera.sender);
    }
    if (this.#connection === connection) {
      await this.#offer(connection);
    }
  }

  async #encode(sender: RTCRtpSender): Promise<void> {
    const parameters = sender.getParameters();
    if (parameters.encodings.length === 0) {
      return;
    }
    parameters.encodings = withQuality(parameters.encodings, this.#quality, linesOf(sender.track));
    // A second change before the first is done is refused, as is one while a track is exchanged; the next answer or
    // choice sets them again.
    await sender.setParameters(parameters).catch(() => undefined);
  }

  #returned(onAir: boolean): void {
    const connection = this.#connection;
    const resumption = resumptionOf({
      connection: connection?.connectionState ?? null,
      wasConnected: this.#wasConnected,
      offered: this.#offered,
      onAir,
    });
    if (connection === null || resumption === 'renew') {
      this.#renew();
    } else if (resumption === 'resend') {
      // One that is still in the making goes out by itself.
      if (connection.signalingState === 'have-local-offer') {
        this.#sendOffer(connection);
      }
    } else if (resumption === 'restart') {
      this.#restart(connection);
    }
  }

  #transport(connection: RTCPeerConnection): void {
    switch (connection.connectionState) {
      case 'connected':
        clearTimeout(this.#timer);
        clearTimeout(this.#detour);
        if (this.#goesRound) {
          relay.helped();
        }
        this.#wasConnected = true;
        this.#failures = 0;
        this.#events.state('connected');
        return;
      case 'disconnected':
        this.#events.state('interrupted');
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#restart(connection), MEND_WITHIN_MS);
        return;
      case 'failed':
        this.#events.state('interrupted');
        if (this.#wasConnected) {
          this.#restart(connection);
        } else if (!this.#goRound(connection)) {
          this.#again();
        }
    }
  }

  /** Brings the relays in, once; whether there are any, and this connection takes them. */
  #goRound(connection: RTCPeerConnection): boolean {
    const takesThem = typeof connection.setConfiguration === 'function';
    const isStuck = this.#connection === connection && connection.connectionState !== 'connected';
    if (!isStuck || !takesThem || this.#goesRound || this.#offered || !relay.isInReserve) {
      return false;
    }
    this.#goesRound = true;
    connection.setConfiguration(relay.withAll);
    this.#restart(connection);
    return true;
  }

  #restart(connection: RTCPeerConnection): void {
    connection.restartIce();
    this.#waitFor(ANSWER_WITHIN_MS + RESTART_WITHIN_MS);
    this.#negotiate(connection);
  }

  /** Gives the connection up where it does not stand by then. */
  #waitFor(ms: number): void {
    clearTimeout(this.#timer);
    const connection = this.#connection;
    this.#timer = setTimeout(() => {
      if (this.#connection === connection && connection?.connectionState !== 'connected') {
        this.#again();
      }
    }, ms);
  }
}

/** How many lines a camera gives now, where it says: a phone held upright has them from top to bottom. */
function linesOf(track: MediaStreamTrack | null): number | null {
  const { width, height } = track?.getSettings?.() ?? {};
  return height === undefined ? null : Math.min(width ?? height, height);
}
