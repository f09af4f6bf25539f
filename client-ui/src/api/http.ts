import type { SessionList, SessionStats, SessionSummary } from '../protocol/bindings';

/** No answer is waited for longer than this. */
const ANSWER_WITHIN_MS = 8_000;

/** Whether a session can be joined, as far as one request can tell. */
export type Presence = 'present' | 'absent' | 'unreachable';

function statsPath(sessionId: string): string {
  return `/ws/live/${encodeURIComponent(sessionId)}/stats`;
}

function get(path: string): Promise<Response> {
  return fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
}

/**
 * Asks whether the server knows `sessionId`. A browser does not tell why a WebSocket was refused, so this does.
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
