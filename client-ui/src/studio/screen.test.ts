import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Capture } from './capture';
import { ScreenShare } from './screen.svelte';

/** Tracks of a screen that was chosen. */
function shared() {
  const track = (kind: string) => ({ kind, stop: vi.fn() });
  return { picture: track('video'), sound: track('audio') };
}

describe('ScreenShare', () => {
  let screen: ScreenShare;
  /** The person's answer to the browser's choice, newest last. */
  let answers: { choose: (stream: MediaStream) => void; cancel: (error: Error) => void }[];
  let changed: ReturnType<typeof vi.fn<() => void>>;

  beforeEach(() => {
    answers = [];
    const getDisplayMedia = () =>
      new Promise<MediaStream>((choose, cancel) => {
        answers.push({ choose, cancel });
      });
    screen = new ScreenShare({ getDisplayMedia } as unknown as Capture);
    screen.onchange = changed = vi.fn();
  });

  function choose({ picture, sound }: ReturnType<typeof shared>): void {
    const stream = {
      getTracks: () => [picture, sound],
      getVideoTracks: () => [picture],
      getAudioTracks: () => [sound],
    };
    answers.at(-1)?.choose(stream as unknown as MediaStream);
  }

  it('shares what the person chose, until it is stopped', async () => {
    const chosen = shared();
    const started = screen.start();
    choose(chosen);
    await started;
    expect([screen.picture, screen.sound]).toEqual([chosen.picture, chosen.sound]);
    screen.stop();
    expect([chosen.picture.stop, chosen.sound.stop].map((stop) => stop.mock.calls.length)).toEqual([1, 1]);
    expect([screen.picture, screen.sound]).toEqual([null, null]);
  });

  it('lets go of what is chosen after it was stopped', async () => {
    const chosen = shared();
    const started = screen.start();
    screen.stop();
    choose(chosen);
    await started;
    expect([chosen.picture.stop, chosen.sound.stop].map((stop) => stop.mock.calls.length)).toEqual([1, 1]);
    expect([screen.picture, screen.sound, screen.choosing]).toEqual([null, null, false]);
    expect(changed).not.toHaveBeenCalled();
  });

  it('says nothing of a choice that ends after it was stopped', async () => {
    const started = screen.start();
    screen.stop();
    answers[0]?.cancel(new DOMException('', 'NotReadableError'));
    await started;
    expect(screen.trouble).toBeNull();
  });

  it('shares what is chosen where somebody asked again while the choice was open', async () => {
    const chosen = shared();
    const started = screen.start();
    screen.stop();
    await screen.start();
    choose(chosen);
    await started;
    expect([answers.length, screen.picture]).toEqual([1, chosen.picture]);
  });

  it('asks anew after a choice that came to nothing', async () => {
    const [first, second] = [screen.start(), shared()];
    screen.stop();
    choose(shared());
    await first;
    const again = screen.start();
    choose(second);
    await again;
    expect(screen.picture).toBe(second.picture);
  });
});
