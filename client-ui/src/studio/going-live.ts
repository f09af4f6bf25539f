import { createSession, endSession } from '../api/http';
import type { CreateSession, SessionCreated } from '../protocol/bindings';

/**
 * Creates a session for somebody who may leave before the server has answered. It is ended again then: nobody would host it.
 *
 * @param token - where the server wants one
 * @param left - whether they have left
 * @returns `null` where they have
 */
export async function createUnlessLeft(
  session: CreateSession,
  token: string | null,
  left: () => boolean,
): Promise<SessionCreated | null> {
  const created = await createSession(session, token);
  if (!left()) {
    return created;
  }
  // Where even that fails, the server ends it by itself after a while.
  await endSession(created.session_id, created.host_token).catch(() => undefined);
  return null;
}
