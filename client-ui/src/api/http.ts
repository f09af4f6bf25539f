import { server } from '../server/current';
import type {
  ApiError,
  CreateSession,
  SessionCreated,
  SessionList,
  SessionStats,
  SessionSummary,
} from '../protocol/bindings';
import { CREATION_WORDS } from '../text/creation-words';
import { asSentence } from '../text/format';

/** No answer is waited for longer than this. */
const ANSWER_WITHIN_MS = 8_000;

/** Whether a session can be joined, as far as one request can tell. */
export type Presence = 'present' | 'absent' | 'unreachable';

function sessionPath(sessionId: string): string {
  return `/ws/live/${encodeURIComponent(sessionId)}`;
}

function statsPath(sessionId: string): string {
  return `${sessionPath(sessionId)}/stats`;
}

function get(path: string): Promise<Response> {
  return server().fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
}

/**
 * Asks whether the server knows `sessionId`. Unlike a WebSocket with a host's token, the question brings no session back that
 * has ended.
 */
export async function presenceOf(sessionId: string): Promise<Presence> {
  try {
    const response = await get(statsPath(sessionId));
    if (response.status === 404) {
      return 'absent';
    }
    return response.ok ? 'present' : 'unreachable';
  } catch {
    return 'unreachable';
  }
}

/** The video codecs on air in a session, in upper case; none where the server does not say. */
export async function videoCodecsOnAir(sessionId: string): Promise<string[]> {
  try {
    const response = await get(statsPath(sessionId));
    const stats = (await response.json()) as Partial<SessionStats>;
    const tracks = Array.isArray(stats.tracks) ? stats.tracks : [];
    return tracks.filter((track) => track.kind === 'video').map((track) => track.codec.toUpperCase());
  } catch {
    return [];
  }
}

/**
 * The live figures of a session; `null` where the server does not tell them.
 *
 * @param viewer - the user id of a participant, for the way to them
 */
export async function sessionStats(sessionId: string, viewer: string): Promise<SessionStats | null> {
  try {
    const response = await get(`${statsPath(sessionId)}?${new URLSearchParams({ viewer })}`);
    const stats = response.ok ? ((await response.json()) as Partial<SessionStats>) : {};
    return Array.isArray(stats.tracks) && Array.isArray(stats.viewers) ? (stats as SessionStats) : null;
  } catch {
    return null;
  }
}

function isSummary(value: unknown): value is SessionSummary {
  const session = value as Partial<SessionSummary> | null;
  return (
    typeof session === 'object' &&
    session !== null &&
    typeof session.session_id === 'string' &&
    typeof session.title === 'string' &&
    typeof session.viewer_count === 'number' &&
    typeof session.started_at === 'string' &&
    Array.isArray(session.broadcasters)
  );
}

/** The public sessions that are live, newest first. Rejects where the server cannot be asked. */
export async function liveSessions(): Promise<SessionSummary[]> {
  const response = await get('/api/sessions');
  if (!response.ok) {
    throw new Error(`the list of sessions was answered with status ${response.status}`);
  }
  const list = (await response.json()) as Partial<SessionList>;
  return Array.isArray(list.sessions) ? list.sessions.filter(isSummary) : [];
}

/** A request that was not granted, in words for people. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
  /** As the server names it; `unreachable` where there was no answer, `unreadable` where it made no sense. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const UNREACHABLE = 'The server does not answer. Check this device’s network, then try again.';

/** How a request is sent, and what is said to a person where it is refused. */
interface Manner {
  readonly withinMs?: number;
  /** By the server's codes, where they say more to a person at this page than its own words, which programs read as well. */
  readonly words?: Readonly<Record<string, string>>;
}

/** What the server said against a request (its JSON body), with its status where it said nothing. */
async function refusalIn(response: Response, words: Readonly<Record<string, string>>): Promise<RequestRefused> {
  const body = (await response.json().catch(() => null)) as Partial<ApiError> | null;
  const code = typeof body?.code === 'string' ? body.code : `status_${response.status}`;
  const said = typeof body?.message === 'string' ? asSentence(body.message) : '';
  const unsaid = `The server refused, with status ${response.status}. Try again in a moment.`;
  return new RequestRefused(code, words[code] ?? (said === '' ? unsaid : said));
}

/** Sends a request. Rejects with {@link RequestRefused} unless it is granted. */
async function request(path: string, init: RequestInit, manner: Manner = {}): Promise<Response> {
  const { withinMs = ANSWER_WITHIN_MS, words = {} } = manner;
  const response = await server()
    .fetch(path, { ...init, signal: AbortSignal.timeout(withinMs) })
    .catch(() => {
      throw new RequestRefused('unreachable', UNREACHABLE);
    });
  if (!response.ok) {
    throw await refusalIn(response, words);
  }
  return response;
}

function bearer(token: string | null): Record<string, string> {
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

/**
 * Creates a session.
 *
 * @param token - where the server wants one
 */
export async function createSession(session: CreateSession, token: string | null = null): Promise<SessionCreated> {
  const asked: RequestInit = {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...bearer(token) },
    body: JSON.stringify(session),
  };
  const response = await request('/api/sessions', asked, { words: CREATION_WORDS });
  const created = (await response.json().catch(() => null)) as Partial<SessionCreated> | null;
  if (typeof created?.session_id !== 'string' || typeof created.host_token !== 'string') {
    throw new RequestRefused('unreadable', 'The server’s answer makes no sense. It may be of another version.');
  }
  return {
    session_id: created.session_id,
    host_token: created.host_token,
    watch_url: typeof created.watch_url === 'string' ? created.watch_url : '',
  };
}

/** Ends a session for everybody. */
export async function endSession(sessionId: string, hostToken: string): Promise<void> {
  await request(`${sessionPath(sessionId)}/end`, { method: 'POST', headers: bearer(hostToken) });
}

/** A background picture of this size takes so long on a phone's poor upstream. */
const UPLOAD_WITHIN_MS = 60_000;

function backgroundPath(sessionId: string): string {
  return `/api/sessions/${encodeURIComponent(sessionId)}/background`;
}

/** Puts `picture` behind the tiles of a session in camera mode. */
export async function putBackground(sessionId: string, hostToken: string, picture: Blob): Promise<void> {
  await request(
    backgroundPath(sessionId),
    { method: 'PUT', headers: { 'Content-Type': picture.type, ...bearer(hostToken) }, body: picture },
    { withinMs: UPLOAD_WITHIN_MS },
  );
}

/** Takes the background picture away. */
export async function deleteBackground(sessionId: string, hostToken: string): Promise<void> {
  await request(backgroundPath(sessionId), { method: 'DELETE', headers: bearer(hostToken) });
}
