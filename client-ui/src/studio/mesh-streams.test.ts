import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ServerMessage } from '../protocol/bindings';
import { welcome } from '../session/fixtures';
import type { RoomLink } from '../session/link';

beforeEach(() => {
  vi.resetModules();
  vi.stubGlobal('MediaStream', vi.fn());
  vi.stubGlobal('addEventListener', () => undefined);
});

afterEach(() => void vi.unstubAllGlobals());

/** How many connections are made in a mesh that somebody comes into and offers in. */
async function connectionsMade(meshless: boolean): Promise<number> {
  const { useMediaEngine, mediaEngine } = await import('../media/current');
  useMediaEngine({ ...mediaEngine(), ...(meshless && { meshless: true }) });
  const { meshOf } = await import('./mesh-streams.svelte');
  const made = vi.fn(function () {
    throw new Error('enough is known');
  });
  vi.stubGlobal('RTCPeerConnection', made);
  let tell: (message: ServerMessage) => void = () => undefined;
  meshOf({
    send: () => true,
    listen: (listener: (message: ServerMessage) => void) => {
      tell = listener;
      return () => undefined;
    },
  } as unknown as RoomLink);
  const timestamp = new Date().toISOString();
  tell({ ...welcome({ topology: 'mesh' }), timestamp } as ServerMessage);
  try {
    tell({
      type: 'webrtc_signal',
      session_id: 'show',
      from_user_id: 'h',
      from_username: 'Ada',
      to_user_id: 'v',
      signal_type: 'offer',
      signal_data: { sdp: 'offer' },
      timestamp,
    } as ServerMessage);
  } catch {
    // As said.
  }
  return made.mock.calls.length;
}

it('answers the others of a mesh, and nobody where an engine can be no part of one', async () => {
  expect(await connectionsMade(false)).toBe(1);
  vi.resetModules();
  expect(await connectionsMade(true)).toBe(0);
});
