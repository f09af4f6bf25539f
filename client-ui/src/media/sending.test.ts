import { describe, expect, it } from 'vitest';
import { type SendSample, readSendStats, sendFiguresBetween } from './sending';

describe('readSendStats', () => {
  const report: [string, unknown][] = [
    ['T', { type: 'transport', selectedCandidatePairId: 'P' }],
    ['P', { type: 'candidate-pair', currentRoundTripTime: 0.04, availableOutgoingBitrate: 3_000_000 }],
    [
      'q',
      { type: 'outbound-rtp', kind: 'video', frameWidth: 320, frameHeight: 180, framesPerSecond: 30, bytesSent: 1_000 },
    ],
    [
      'h',
      { type: 'outbound-rtp', kind: 'video', frameWidth: 640, frameHeight: 360, framesPerSecond: 29, bytesSent: 4_000 },
    ],
    // A layer that the browser has turned off keeps the size of its last picture.
    [
      'f',
      { type: 'outbound-rtp', kind: 'video', frameWidth: 1280, frameHeight: 720, framesPerSecond: 0, bytesSent: 9_000 },
    ],
    ['a', { type: 'outbound-rtp', kind: 'audio', bytesSent: 500 }],
    ['r', { type: 'remote-inbound-rtp', kind: 'video', fractionLost: 0.1 }],
    ['s', { type: 'remote-inbound-rtp', kind: 'audio', fractionLost: 0.02 }],
  ];

  it('takes the largest picture that runs, and all that is sent', () => {
    expect(readSendStats(report, 7)).toEqual({
      atMs: 7,
      width: 640,
      height: 360,
      fps: 29,
      bytes: 14_500,
      loss: 0.1,
      roundTripMs: 40,
      estimateBps: 3_000_000,
    });
  });

  it('says what it does not know, and is nothing where nothing is sent', () => {
    expect(readSendStats([['a', { type: 'outbound-rtp', kind: 'audio' }]], 0)).toMatchObject({
      fps: 0,
      loss: null,
      roundTripMs: null,
      estimateBps: null,
    });
    expect(
      readSendStats(
        [
          ['i', { type: 'inbound-rtp' }],
          ['x', 'hostile'],
        ],
        0,
      ),
    ).toBeNull();
  });
});

describe('sendFiguresBetween', () => {
  const before: SendSample = {
    atMs: 1_000,
    width: 0,
    height: 0,
    fps: 30,
    bytes: 10_000,
    loss: 0,
    roundTripMs: 20,
    estimateBps: null,
  };

  it('gives the rate of what was sent meanwhile', () => {
    expect(sendFiguresBetween(before, { ...before, atMs: 3_000, bytes: 260_000 })?.bitrate).toBe(1_000_000);
  });

  it('gives nothing over two connections, or over no time', () => {
    expect(sendFiguresBetween(before, { ...before, atMs: 2_000, bytes: 0 })).toBeNull();
    expect(sendFiguresBetween(before, before)).toBeNull();
  });
});
