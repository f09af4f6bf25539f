import { createSession, endSession } from '../api/http';
import type { CreateSession, SessionCreated } from '../protocol/bindings';
import { sessionNamedIn } from '../session/invitation';

/**
 * Creates a session for somebody who may leave before the server has answered. It is ended again then: nobody would host it.
 *
 * @param token - where the server wants one; one that was made for a session creates that session
 * @param left - whether they have left
 * @returns `null` where they have
 */
export async function createUnlessLeft(
  session: CreateSession,
  token: string | null,
  left: () => boolean,
): Promise<SessionCreated | null> {
  const named = token === null ? null : sessionNamedIn(token);
  const created = await createSession(named === null ? session : { ...session, session_id: named }, token);
  if (!left()) {
    return created;
  }
  // Where even that fails, the server ends it by itself after a while.
  await endSession(created.session_id, created.host_token).catch(() => undefined);
  return null;
}
