import type { SessionStats, ViewerStats } from '../protocol/bindings';
import type { Room } from './room';

/** How somebody on the stage is doing, at one moment. */
export interface PersonFigures {
  readonly userId: string;
  readonly username: string;
  /** Of their connection to the server: 0 (hardly there) to 4 (excellent); `null` while nothing was measured. */
  readonly quality: number | null;
  readonly speaking: boolean;
  /** Lines of the layer of their picture that the server forwards to you; `null` where it forwards none. */
  readonly lines: number | null;
}

/** What the server knows of the people in a room and of the way from it to you, at one moment. */
export interface RoomFigures {
  /** Those on the stage, in the order in which the room names them. */
  readonly people: readonly PersonFigures[];
  /** What congestion control thinks that the way to you carries, in bits per second; `null` where nobody measures it. */
  readonly estimateBps: number | null;
}

/** @param stats - `null` where the server could not be asked */
export function roomFigures(room: Room, stats: SessionStats | null): RoomFigures {
  const you = room.you?.user_id;
  const mine = stats?.viewers.find((viewer) => viewer.user_id === you) ?? null;
  const people = Object.values(room.participants).filter(({ role }) => role !== 'viewer');
  return {
    people: people.map(({ user_id, username, connection_quality }) => ({
      userId: user_id,
      username,
      quality: connection_quality,
      speaking: room.speakers.includes(user_id),
      lines: linesOf(mine, user_id),
    })),
    estimateBps: mine?.estimate_bps ?? null,
  };
}

/** Of the larger one, where somebody sends a camera and a screen. */
function linesOf(viewer: ViewerStats | null, userId: string): number | null {
  const pictures = viewer?.slots.filter(
    ({ user_id, kind, left_out }) => user_id === userId && kind === 'video' && !left_out,
  );
  const heights = (pictures ?? []).map(({ height }) => height).filter((height) => height !== null);
  return heights.length === 0 ? null : Math.max(...heights);
}
