import { describe, expect, it, vi } from 'vitest';

import { Arrivals } from './arrivals';

/** A receiver at which something last arrived at `last`; `null` before there was anything. */
function receiver(last: number | null) {
  const one = {
    last,
    getSynchronizationSources: vi.fn(() =>
      one.last === null ? [] : [{ source: 1, timestamp: one.last, rtpTimestamp: 0 }],
    ),
  };
  return one;
}

function arrivalsAt(...receivers: ReturnType<typeof receiver>[]): Arrivals {
  const arrivals = new Arrivals();
  for (const one of receivers) {
    arrivals.add(one);
  }
  return arrivals;
}

describe('arrivals', () => {
  it('are none before anything came', () => {
    expect(arrivalsAt().mark()).toBeNull();
    expect(arrivalsAt(receiver(null), receiver(null)).mark()).toBeNull();
  });

  it('change the mark wherever they are, and nothing else does', () => {
    const [sound, picture] = [receiver(null), receiver(null)];
    const arrivals = arrivalsAt(sound, picture);
    picture.last = 10;
    const first = arrivals.mark();
    expect(first).not.toBeNull();
    expect(arrivals.mark()).toBe(first);
    sound.last = 20;
    const second = arrivals.mark();
    expect(second).not.toBe(first);
    // What is older than what is known is no news.
    picture.last = 15;
    expect(arrivals.mark()).toBe(second);
  });

  it('are asked for where they were found the last time', () => {
    const receivers = [receiver(null), receiver(null), receiver(1), receiver(null)];
    const [first, , playing] = receivers;
    const arrivals = arrivalsAt(...receivers);
    arrivals.mark();
    for (let at = 2; at < 100; at += 1) {
      if (playing !== undefined) {
        playing.last = at;
      }
      arrivals.mark();
    }
    expect(playing?.getSynchronizationSources).toHaveBeenCalledTimes(99);
    expect(first?.getSynchronizationSources).toHaveBeenCalledTimes(1);
  });
});
