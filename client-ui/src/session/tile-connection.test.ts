import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WhepResource } from '../api/whep';
import type { Subscription, SubscriptionEvents } from '../media/engine';
import type { MediaSample } from '../media/sample';
import { TileConnection, type TilePhase } from './tile-connection';

class Preview {
  frames = 0;
  refuse = false;
  readonly phases: TilePhase[] = [];
  readonly deleted: string[] = [];
  readonly shown: (Subscription | null)[] = [];
  readonly transports: SubscriptionEvents[] = [];
  #posted = 0;

  readonly tile = new TileConnection(
    {
      engine: {
        surface: 'video',
        works: true,
        videoCodecs: () => Promise.resolve(['H264']),
        subscribe: (wanted, events) => {
          expect(wanted, 'a tile is silent').toEqual({ audio: 0, video: 1 });
          this.transports.push(events);
          return {
            offer: Promise.resolve('offer'),
            accept: () => Promise.resolve(),
            addCandidate: () => Promise.resolve(),
            extend: () => Promise.resolve('offer'),
            isFirst: () => true,
            attach: () => undefined,
            attachSlot: () => undefined,
            sample: () => Promise.resolve({ atMs: performance.now(), framesDecoded: this.frames } as MediaSample),
            close: () => undefined,
          };
        },
      },
      postOffer: () => {
        this.#posted += 1;
        const location = new URL(`http://host/whep/show/${this.#posted}`);
        return this.refuse
          ? Promise.reject(new Error('503'))
          : Promise.resolve<WhepResource>({ answerSdp: 'answer', location });
      },
      deleteResource: (resource) => this.deleted.push(resource.location.pathname),
      random: () => 0.5,
    },
    { phase: (phase) => this.phases.push(phase), subscription: (subscription) => this.shown.push(subscription) },
  );

  async play(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      this.frames += 3;
      await vi.advanceTimersByTimeAsync(100);
    }
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a tile', () => {
  it('plays while it is in view, and frees its resource when it leaves', async () => {
    const preview = new Preview();
    preview.tile.open();
    await preview.play(2_000);
    preview.tile.close();
    expect(preview.phases).toEqual(['connecting', 'live', 'idle']);
    expect(preview.deleted).toEqual(['/whep/show/1']);
    expect(preview.shown.at(-1)).toBeNull();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('frees a resource that it got after it had left', async () => {
    const preview = new Preview();
    preview.tile.open();
    preview.tile.close();
    await vi.advanceTimersByTimeAsync(0);
    expect(preview.deleted).toEqual(['/whep/show/1']);
  });

  it('begins anew when it is refused or loses its transport', async () => {
    const preview = new Preview();
    preview.refuse = true;
    preview.tile.open();
    await vi.advanceTimersByTimeAsync(3_000);
    preview.refuse = false;
    await vi.advanceTimersByTimeAsync(4_000);
    await preview.play(2_000);
    preview.transports.at(-1)?.transport('failed');
    await vi.advanceTimersByTimeAsync(500);
    await preview.play(2_000);
    expect(preview.phases).toEqual(['connecting', 'live', 'reconnecting', 'live']);
  });

  it('offers anew, in place of the connection that it has, when it needs another picture', async () => {
    const preview = new Preview();
    preview.tile.renew();
    preview.tile.open();
    await preview.play(2_000);
    preview.tile.renew();
    await preview.play(2_000);
    expect(preview.phases).toEqual(['connecting', 'live', 'reconnecting', 'live']);
    expect(preview.deleted).toEqual(['/whep/show/1']);
    expect(preview.transports).toHaveLength(2);
  });

  it('says when the picture stands still, and gives up one that never came', async () => {
    const preview = new Preview();
    preview.tile.open();
    await preview.play(2_000);
    await vi.advanceTimersByTimeAsync(5_000);
    await preview.play(2_000);
    expect(preview.phases).toEqual(['connecting', 'live', 'waiting', 'live']);

    const dark = new Preview();
    dark.tile.open();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(dark.deleted).toEqual(['/whep/show/1']);
    expect(dark.transports.length).toBeGreaterThan(1);
  });
});
