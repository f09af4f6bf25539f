import { server } from '../server/current';

/** Why a WHEP request was not done. */
export class WhepError extends Error {
  override readonly name = 'WhepError';
}

/** A resource that a WHEP server made. */
export interface WhepResource {
  readonly answerSdp: string;
  /** To be deleted when it is not needed any more. */
  readonly location: URL;
}

/** No answer is waited for longer than this. */
const ANSWER_WITHIN_MS = 8_000;

/** The most that the server takes for a height: of 8K, no screen has more. */
const MOST_HEIGHT = 4_320;

/**
 * The WHEP endpoint that feeds a tile of the grid: forwarded like any other, not counted as a viewer.
 *
 * @param height - of the tile, in device pixels; 0 where it is not known
 */
export function previewEndpoint(sessionId: string, origin: string, height: number): URL {
  const endpoint = new URL(`/whep/${encodeURIComponent(sessionId)}?preview=true`, origin);
  if (height > 0) {
    endpoint.searchParams.set('height', `${Math.min(Math.ceil(height), MOST_HEIGHT)}`);
  }
  return endpoint;
}

/** Offers to receive (draft-ietf-wish-whep §4.2). */
export async function postOffer(endpoint: URL, offerSdp: string, signal: AbortSignal): Promise<WhepResource> {
  const response = await server().fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', accept: 'application/sdp' },
    body: offerSdp,
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
  });
  if (response.status !== 201) {
    throw new WhepError(`the offer was answered with status ${response.status}`);
  }
  const location = new URL(response.headers.get('location') ?? '', endpoint);
  // A resource elsewhere would have us send requests to a place of the answer's choosing.
  if (location.origin !== endpoint.origin || location.pathname === endpoint.pathname) {
    throw new WhepError('the answer names no resource of this server');
  }
  return { answerSdp: await response.text(), location };
}

/** Frees the resource, also while the page is being left. A server that has gone has freed it already. */
export function deleteResource(resource: WhepResource): void {
  server()
    .fetch(resource.location, { method: 'DELETE', keepalive: true })
    .catch(() => undefined);
}
