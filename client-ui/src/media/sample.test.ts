import { describe, expect, it } from 'vitest';
import { readStats } from './sample';

const report = new Map<string, unknown>([
  ['T', { type: 'transport', selectedCandidatePairId: 'P1' }],
  ['P0', { type: 'candidate-pair', state: 'succeeded', nominated: true, currentRoundTripTime: 0.5 }],
  ['P1', { type: 'candidate-pair', state: 'succeeded', nominated: true, currentRoundTripTime: 0.012 }],
  ['C', { type: 'codec', mimeType: 'video/H264' }],
  [
    'V',
    {
      type: 'inbound-rtp',
      kind: 'video',
      codecId: 'C',
      frameWidth: 1280,
      frameHeight: 720,
      bytesReceived: 1000,
      packetsReceived: 10,
      packetsLost: 1,
      framesDecoded: 5,
      framesDropped: 0,
      jitter: 0.003,
      jitterBufferDelay: 0.25,
      jitterBufferEmittedCount: 5,
      totalDecodeTime: 0.01,
    },
  ],
  ['A', { type: 'inbound-rtp', kind: 'audio', bytesReceived: 200, packetsReceived: 20, packetsLost: 2, jitter: 0.1 }],
]);

describe('readStats', () => {
  it('gathers one sample from the entries of a report', () => {
    expect(readStats(report, 77)).toEqual({
      atMs: 77,
      width: 1280,
      height: 720,
      videoCodec: 'H264',
      videoBytes: 1000,
      audioBytes: 200,
      packetsReceived: 30,
      packetsLost: 3,
      framesDecoded: 5,
      framesOfLargest: 5,
      framesDropped: 0,
      jitterMs: 3,
      roundTripMs: 12,
      bufferedMs: 250,
      bufferedFrames: 5,
      decodeMs: 10,
    });
  });

  it('takes the nominated pair where no transport names one, as in Firefox', () => {
    const firefox = new Map([...report].filter(([id]) => id !== 'T' && id !== 'P0'));
    expect(readStats(firefox, 0)?.roundTripMs).toBe(12);
  });

  it('adds up the slots, and names the largest picture', () => {
    const camera = {
      type: 'inbound-rtp',
      kind: 'video',
      frameWidth: 320,
      frameHeight: 180,
      framesDecoded: 7,
      jitter: 9,
    };
    const second = readStats(new Map<string, unknown>([['V2', camera], ...report]), 0);
    expect(second).toMatchObject({
      width: 1280,
      height: 720,
      framesDecoded: 12,
      framesOfLargest: 5,
      jitterMs: 3,
      packetsReceived: 30,
    });
  });

  it('reads sound alone', () => {
    const sound = new Map([...report].filter(([id]) => id !== 'V'));
    expect(readStats(sound, 0)).toMatchObject({ videoBytes: 0, audioBytes: 200, videoCodec: null, jitterMs: 100 });
  });

  it('has nothing to say before media was negotiated', () => {
    expect(readStats(new Map([['T', { type: 'transport' }]]), 0)).toBeNull();
  });
});
