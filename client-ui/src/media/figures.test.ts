import { describe, expect, it } from 'vitest';
import { type Figures, HISTORY_LENGTH, figuresBetween, qualityOf, remember } from './figures';
import type { MediaSample } from './sample';

const ZERO: MediaSample = {
  atMs: 1_000,
  width: 1280,
  height: 720,
  videoCodec: 'H264',
  videoBytes: 0,
  audioBytes: 0,
  packetsReceived: 0,
  packetsLost: 0,
  framesDecoded: 0,
  framesOfLargest: 0,
  framesDropped: 0,
  jitterMs: 4,
  roundTripMs: 20,
  bufferedMs: 0,
  bufferedFrames: 0,
  decodeMs: 0,
};
const LATER: MediaSample = {
  ...ZERO,
  atMs: 3_000,
  videoBytes: 500_000,
  audioBytes: 25_000,
  packetsReceived: 495,
  packetsLost: 5,
  framesDecoded: 60,
  framesOfLargest: 60,
  framesDropped: 2,
  bufferedMs: 1_800,
  bufferedFrames: 60,
  decodeMs: 120,
};

function between(before: MediaSample, now: MediaSample): Figures {
  const figures = figuresBetween(before, now);
  if (figures === null) {
    throw new Error('no time between the samples');
  }
  return figures;
}

describe('figuresBetween', () => {
  it('turns counters into rates', () => {
    expect(between(ZERO, LATER)).toEqual({
      width: 1280,
      height: 720,
      videoCodec: 'H264',
      fps: 30,
      bitrate: 2_100_000,
      loss: 0.01,
      jitterMs: 4,
      roundTripMs: 20,
      framesDropped: 2,
      // Half of 20 ms on the way, 30 ms in the buffer, 2 ms in the decoder.
      latencyMs: 42,
    });
  });

  it('says nothing where no time has passed', () => {
    expect(figuresBetween(LATER, LATER)).toBeNull();
  });

  it('does not go below zero when late packets are taken back from the lost ones', () => {
    const late = { ...LATER, packetsLost: 3, packetsReceived: 500, atMs: 4_000 };
    expect(between(LATER, late).loss).toBe(0);
  });

  it('estimates no latency from a picture that stands still', () => {
    expect(between(LATER, { ...LATER, atMs: 4_000 }).latencyMs).toBeNull();
    expect(between(ZERO, { ...LATER, roundTripMs: null }).latencyMs).toBeNull();
  });
});

describe('qualityOf', () => {
  const good = between(ZERO, LATER);

  it.each([
    ['good', good],
    ['fair', { ...good, loss: 0.03 }],
    ['fair', { ...good, roundTripMs: 250 }],
    ['fair', { ...good, jitterMs: 80 }],
    ['poor', { ...good, loss: 0.1 }],
    ['poor', { ...good, roundTripMs: 800 }],
    ['good', { ...good, roundTripMs: null, jitterMs: null }],
  ])('is %s', (quality, figures) => {
    expect(qualityOf(figures)).toBe(quality);
  });
});

describe('remember', () => {
  it('keeps the last minute', () => {
    const figures = between(ZERO, LATER);
    let history: readonly Figures[] = [];
    for (let fps = 0; fps < HISTORY_LENGTH + 5; fps += 1) {
      history = remember(history, { ...figures, fps });
    }
    expect(history).toHaveLength(HISTORY_LENGTH);
    expect(history[0]?.fps).toBe(5);
    expect(history.at(-1)?.fps).toBe(HISTORY_LENGTH + 4);
  });
});
