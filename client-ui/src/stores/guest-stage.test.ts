import { beforeEach, expect, it, vi } from 'vitest';
import { UNKNOWN_ROOM } from '../session/room';
import { GuestStage } from './guest-stage.svelte';
import type { Watch } from './watch.svelte';

/** The studios that were made, in order. */
const studios = vi.hoisted(() => [] as { closed: boolean; published: boolean }[]);

vi.mock('../studio/studio.svelte', () => ({
  Studio: class {
    closed = false;
    published = false;
    constructor() {
      studios.push(this);
    }
    publish(): void {
      this.published = true;
    }
    unpublish(): Promise<void> {
      this.published = false;
      return Promise.resolve();
    }
    close(): void {
      this.closed = true;
    }
  },
}));
vi.mock('../components/studio/Setup.svelte', () => ({ default: {} }));
vi.mock('../components/studio/StudioControls.svelte', () => ({ default: {} }));
vi.mock('../components/studio/SelfTile.svelte', () => ({ default: {} }));

beforeEach(() => void studios.splice(0));

/** Somebody who was invited, and sees the preview. */
async function invited(): Promise<GuestStage> {
  const guest = new GuestStage({ room: UNKNOWN_ROOM, link: {} } as unknown as Watch);
  guest.follow(true);
  await vi.waitFor(() => expect(guest.preparing).toBe(true));
  return guest;
}

it('lets go of camera and microphone with the preview, and takes them anew for the next one', async () => {
  const guest = await invited();
  guest.dismiss();
  expect(studios).toMatchObject([{ closed: true }]);
  expect([guest.preparing, guest.on, guest.backstage]).toEqual([false, false, null]);
  await guest.prepare();
  expect(studios).toMatchObject([{ closed: true }, { closed: false }]);
  expect(guest.preparing).toBe(true);
});

it('keeps them for whoever goes on the stage, when the preview closes behind them', async () => {
  const guest = await invited();
  guest.enter();
  guest.dismiss();
  expect(guest.on).toBe(true);
  expect(studios).toMatchObject([{ closed: false, published: true }]);
  guest.leave();
  expect(studios).toMatchObject([{ closed: true, published: false }]);
});
