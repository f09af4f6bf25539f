import type { ApiError } from '../protocol/bindings';
import { server } from '../server/current';
import type { Admission } from '../session/refusal';
import { asSentence } from '../text/format';

/** No answer is waited for longer than this. */
const ANSWER_WITHIN_MS = 8_000;

/** What the server says to a plain request that it would have let in: a WebSocket has to ask. */
const WELCOME = 'websocket_expected';

/**
 * Asks by plain HTTP whether a WebSocket would be let in, and why not: a browser does not tell a page how the handshake of
 * a WebSocket was answered (WHATWG WebSockets §3.1).
 *
 * @param signalingUrl - of the WebSocket, with all that its handshake says about the person
 */
export async function admissionAt(signalingUrl: string): Promise<Admission> {
  // `ws:` to `http:`, `wss:` to `https:`.
  const url = signalingUrl.replace(/^ws/, 'http');
  try {
    const response = await server().fetch(new URL(url), {
      cache: 'no-store',
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    return admissionIn(response.status, await response.json().catch(() => null));
  } catch {
    return 'unreachable';
  }
}

function admissionIn(status: number, body: Partial<ApiError> | null): Admission {
  const code = typeof body?.code === 'string' ? body.code : `status_${status}`;
  if (code === WELCOME) {
    return 'granted';
  }
  if (status === 404) {
    return 'absent';
  }
  // Whatever stands in front of a server that is away answers with 5xx, and a page in the place of ours with 2xx.
  if (status < 400 || status >= 500) {
    return 'unreachable';
  }
  return { code, message: typeof body?.message === 'string' ? asSentence(body.message) : '' };
}
