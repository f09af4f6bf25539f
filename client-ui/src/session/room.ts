import type {
  ClientMessage,
  GuestRequest,
  MediaKind,
  Participant,
  Role,
  ServerMessage,
  SessionMode,
  Topology,
  TrackSource,
} from '../protocol/bindings';
import { type ChatLine, chatLine, withHistory, withLine } from './chat';

/**
 * Most people that are kept by name: twice of what a server lists at the door. Those beyond are only counted, so that a
 * crowd that comes and goes for hours does not fill the page's memory.
 */
export const MAX_PEOPLE = 200;

/** Most guest requests that are kept, for a host who does not look at them. */
export const MAX_REQUESTS = 100;

/** What a receive slot carries. */
export interface Slot {
  readonly userId: string;
  readonly kind: MediaKind;
  readonly source: TrackSource;
}

/** Somebody in the session. */
export interface Person extends Participant {
  /**
   * Whether `audio_enabled` and `video_enabled` are known. Programs that publish never say what they send: of them both
   * stay false while they are seen and heard.
   */
  readonly mediaKnown: boolean;
}

/** What the server has told about a session. */
export interface Room {
  /** Yourself; `null` before you were let in. */
  readonly you: Person | null;
  /** By the user's id. Yourself and everybody on the stage; viewers as far as the server names them. */
  readonly participants: Readonly<Record<string, Person>>;
  readonly mode: SessionMode;
  readonly topology: Topology;
  readonly title: string;
  /** Who hosts, or did last; empty while nobody was. */
  readonly hostName: string;
  /** When a host who is away has to be back, on our clock in milliseconds since 1970; `null` while the host is here. */
  readonly hostDueAt: number | null;
  readonly viewers: number;
  readonly guestLimit: number;
  /** On the server's clock, in milliseconds since 1970; `null` while nobody is on air. */
  readonly startedAt: number | null;
  /** How far the server's clock is ahead of ours, in milliseconds, the way of the message included. */
  readonly clockAheadMs: number;
  readonly onAir: boolean;
  readonly chat: readonly ChatLine[];
  readonly slowModeSeconds: number;
  /** For host and cohosts: who asks to come on the stage, in that order. */
  readonly guestRequests: readonly GuestRequest[];
  /** Whether you have asked to come on the stage, and have no answer yet. */
  readonly asked: boolean;
  /** Who is being heard, loudest first. */
  readonly speakers: readonly string[];
  /** Path of the background picture in camera mode. */
  readonly background: string | null;
  /** Slots that carry somebody, by their mid. */
  readonly slots: Readonly<Record<string, Slot>>;
}

/** A session of which nothing is known yet. */
export const UNKNOWN_ROOM: Room = {
  you: null,
  participants: {},
  mode: 'camera',
  topology: 'sfu',
  title: '',
  hostName: '',
  hostDueAt: null,
  viewers: 0,
  guestLimit: 0,
  startedAt: null,
  clockAheadMs: 0,
  onAir: false,
  chat: [],
  slowModeSeconds: 0,
  guestRequests: [],
  asked: false,
  speakers: [],
  background: null,
  slots: {},
};

type People = Room['participants'];

/** A time stamp in milliseconds, or `otherwise` where it cannot be read. */
function instant(rfc3339: string, otherwise: number): number {
  const at = Date.parse(rfc3339);
  return Number.isNaN(at) ? otherwise : at;
}

function without<T>(record: Readonly<Record<string, T>>, key: string): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(record).filter(([one]) => one !== key));
}

/** Somebody of whom no more than this is known. */
function stranger(userId: string, username: string, role: Role): Person {
  return {
    user_id: userId,
    username,
    role,
    audio_enabled: false,
    video_enabled: false,
    audio_muted: false,
    video_muted: false,
    on_air: false,
    connection_quality: null,
    mediaKnown: false,
  };
}

/** What a server of another version left out is filled in. */
function complete(participant: Participant): Person {
  return {
    ...stranger(participant.user_id, participant.username, participant.role),
    ...participant,
    mediaKnown: participant.audio_enabled || participant.video_enabled,
  };
}

/** Not by the index alone: an id may be a name that every object has. */
function known(people: People, userId: string): Person | undefined {
  return Object.hasOwn(people, userId) ? people[userId] : undefined;
}

function withPerson(people: People, person: Person): People {
  const listed = Object.hasOwn(people, person.user_id);
  if (!listed && person.role === 'viewer' && Object.keys(people).length >= MAX_PEOPLE) {
    return people;
  }
  return { ...people, [person.user_id]: person };
}

/** The room in which what is known of one person has changed, you included where that is you. */
function changed(room: Room, userId: string, change: Partial<Person>): Room {
  const person = known(room.participants, userId);
  const you = room.you?.user_id === userId ? { ...room.you, ...change } : room.you;
  return {
    ...room,
    you,
    participants:
      person === undefined ? room.participants : { ...room.participants, [userId]: { ...person, ...change } },
  };
}

function withRole(room: Room, userId: string, username: string, role: Role): Room {
  const participants = withPerson(room.participants, {
    ...(known(room.participants, userId) ?? stranger(userId, username, role)),
    role,
  });
  const you = room.you?.user_id === userId ? { ...room.you, role } : room.you;
  return {
    ...room,
    you,
    participants,
    hostName: role === 'host' ? username : room.hostName,
    asked: room.asked && you?.role === 'viewer',
    // Requests are the business of host and cohosts: whoever is neither any more is not told when they are answered.
    guestRequests: you?.role === 'host' || you?.role === 'cohost' ? room.guestRequests : [],
  };
}

/** Your own role, from a message to you alone. */
function withYourRole(room: Room, role: Role): Room {
  return room.you === null ? room : withRole(room, room.you.user_id, room.you.username, role);
}

function anybodyOnAir(people: People): boolean {
  return Object.values(people).some((person) => person.on_air);
}

/**
 * The session after `message`.
 *
 * @param now - our clock, in milliseconds since 1970
 */
export function receive(room: Room, message: ServerMessage, now: number): Room {
  switch (message.type) {
    case 'current_participants': {
      const host = message.participants.find((participant) => participant.role === 'host');
      const you = complete(message.you);
      return {
        you,
        participants: Object.fromEntries(
          [...message.participants.slice(0, MAX_PEOPLE).map(complete), you].map((one) => [one.user_id, one]),
        ),
        mode: message.mode,
        topology: message.topology,
        title: message.title,
        hostName: host?.username ?? room.hostName,
        hostDueAt: null,
        viewers: message.viewer_count,
        guestLimit: message.guest_limit,
        startedAt: message.started_at === null ? null : instant(message.started_at, now),
        clockAheadMs: instant(message.timestamp, now) - now,
        onAir: message.started_at !== null,
        chat: withHistory(message.chat_history),
        slowModeSeconds: message.slow_mode_seconds,
        guestRequests: message.guest_requests.slice(0, MAX_REQUESTS),
        // A place that was resumed keeps its request.
        asked: room.asked && room.you?.user_id === you.user_id && you.role === 'viewer',
        speakers: [],
        background: message.background,
        // Slots belong to a connection, and this message opens a new one.
        slots: {},
      };
    }
    case 'user_joined':
      return {
        ...withRole(room, message.user_id, message.username, message.role),
        viewers: message.viewer_count,
      };
    case 'user_left': {
      const participants = without(room.participants, message.user_id);
      return {
        ...room,
        participants,
        viewers: message.viewer_count,
        speakers: room.speakers.filter((userId) => userId !== message.user_id),
        guestRequests: room.guestRequests.filter((request) => request.user_id !== message.user_id),
      };
    }
    case 'role_changed':
      return { ...withRole(room, message.user_id, message.username, message.role), viewers: message.viewer_count };
    case 'promoted':
    case 'demoted':
      return withYourRole(room, message.new_role);
    case 'guest_approved':
      return withYourRole(room, 'guest');
    case 'guest_rejected':
      return { ...room, asked: false };
    case 'guest_joined':
      return withRole(room, message.user_id, message.username, 'guest');
    case 'guest_request': {
      const others = room.guestRequests.filter((request) => request.user_id !== message.user_id);
      return {
        ...room,
        guestRequests: [...others.slice(-(MAX_REQUESTS - 1)), { user_id: message.user_id, username: message.username }],
      };
    }
    case 'guest_request_closed':
      return { ...room, guestRequests: room.guestRequests.filter((request) => request.user_id !== message.user_id) };
    case 'host_away':
      return { ...room, hostDueAt: now + message.grace_seconds * 1_000 };
    case 'host_back':
      return { ...room, hostDueAt: null };
    case 'chat_message':
      return { ...room, chat: withLine(room.chat, chatLine(message)) };
    case 'message_deleted':
      return { ...room, chat: room.chat.filter((line) => line.id !== message.message_id) };
    case 'messages_cleared':
      return { ...room, chat: room.chat.filter((line) => line.userId !== message.user_id) };
    case 'slow_mode':
      return { ...room, slowModeSeconds: message.seconds };
    case 'participant_media_changed':
      return changed(room, message.user_id, {
        audio_enabled: message.audio_enabled,
        video_enabled: message.video_enabled,
        audio_muted: message.audio_muted,
        video_muted: message.video_muted,
        mediaKnown: true,
      });
    case 'force_mute_audio':
      return room.you === null ? room : changed(room, room.you.user_id, { audio_muted: true });
    case 'force_mute_video':
      return room.you === null ? room : changed(room, room.you.user_id, { video_muted: true });
    case 'unmute_allowed':
      return room.you === null
        ? room
        : changed(room, room.you.user_id, message.kind === 'audio' ? { audio_muted: false } : { video_muted: false });
    case 'active_speakers':
      return { ...room, speakers: message.user_ids };
    case 'connection_quality':
      return Object.entries(message.levels).reduce(
        (after, [userId, level]) => changed(after, userId, { connection_quality: level }),
        room,
      );
    case 'broadcast_started': {
      // Whoever publishes with a program is on air without having joined.
      const role = Object.values(room.participants).some((one) => one.role === 'host') ? 'guest' : 'host';
      const person = known(room.participants, message.user_id) ?? stranger(message.user_id, message.username, role);
      return {
        ...room,
        you: room.you?.user_id === message.user_id ? { ...room.you, on_air: true } : room.you,
        participants: { ...room.participants, [message.user_id]: { ...person, on_air: true } },
        onAir: true,
        hostName: person.role === 'host' ? message.username : room.hostName,
        startedAt: room.startedAt ?? instant(message.timestamp, now),
      };
    }
    case 'broadcast_stopped': {
      const after = changed(room, message.user_id, { on_air: false });
      return anybodyOnAir(after.participants) ? after : { ...after, onAir: false, startedAt: null };
    }
    case 'slot_assigned':
      // The wire says `null` where the generated type leaves the field out.
      return (message.user_id ?? null) === null
        ? { ...room, slots: without(room.slots, message.mid) }
        : {
            ...room,
            onAir: true,
            slots: {
              ...room.slots,
              [message.mid]: { userId: message.user_id as string, kind: message.kind, source: message.source },
            },
          };
    case 'background_changed':
      return { ...room, background: message.background ?? null };
    case 'session_ended':
      return { ...room, onAir: false, hostDueAt: null, speakers: [], slots: {} };
    case 'error':
      return message.action === 'request_guest' ? { ...room, asked: false } : room;
    case 'kicked':
    case 'reaction':
    case 'reactions':
    case 'slots_wanted':
    case 'webrtc_signal':
    case 'pong':
      return room;
  }
}

/** The room after you have sent `message`. */
export function sent(room: Room, message: ClientMessage): Room {
  switch (message.action) {
    case 'request_guest':
      return { ...room, asked: true };
    case 'withdraw_request':
      return { ...room, asked: false };
    default:
      return room;
  }
}

/** Whether `role` may answer requests and act on others. */
export function moderates(role: Role | undefined): boolean {
  return role === 'host' || role === 'cohost';
}

/** Whether this person's picture is known to be off. */
export function pictureOff(person: Person | undefined): boolean {
  return person !== undefined && (person.video_muted || (person.mediaKnown && !person.video_enabled));
}

/** Whether this person's sound is known to be off. */
export function soundOff(person: Person | undefined): boolean {
  return person !== undefined && (person.audio_muted || (person.mediaKnown && !person.audio_enabled));
}

/**
 * What has to keep coming while the session is live. Sound alone makes it live as well, and so does everybody's silence:
 * then nothing can be missed.
 */
export function expectation(room: Room): 'picture' | 'sound' | 'nothing' {
  const slots = Object.values(room.slots);
  const seen = (slot: Slot) => slot.source === 'screen' || !pictureOff(room.participants[slot.userId]);
  const heard = (slot: Slot) => slot.source === 'screen_audio' || !soundOff(room.participants[slot.userId]);
  if (slots.length === 0 || slots.some((slot) => slot.kind === 'video' && seen(slot))) {
    return 'picture';
  }
  return slots.some((slot) => slot.kind === 'audio' && heard(slot)) ? 'sound' : 'nothing';
}
