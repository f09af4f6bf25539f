import { describe, expect, it } from 'vitest';
import { HEIGHTS, bitrateOf, cameraConstraints, layersFor, microphoneConstraints, withQuality } from './quality';

const sum = (encodings: RTCRtpEncodingParameters[]) =>
  encodings.reduce((total, { maxBitrate = 0 }) => total + maxBitrate, 0);

describe('layersFor', () => {
  it.each(HEIGHTS)('sends %ip in three sizes that together keep to the bitrate', (height) => {
    const quality = { height, bitrateBps: null };
    const layers = layersFor(quality);
    expect(layers.map(({ rid, scaleResolutionDownBy }) => [rid, scaleResolutionDownBy])).toEqual([
      ['q', 4],
      ['h', 2],
      ['f', 1],
    ]);
    expect(sum(layers)).toBe(bitrateOf(quality));
    const bitrates = layers.map(({ maxBitrate = 0 }) => maxBitrate);
    expect(bitrates).toEqual([...bitrates].sort((a, b) => a - b));
  });

  it('takes the bitrate that was chosen', () => {
    expect(sum(layersFor({ height: 1080, bitrateBps: 1_000_000 }))).toBe(1_000_000);
  });
});

describe('withQuality', () => {
  it('changes bitrates, and nothing else of what the browser has', () => {
    const had: RTCRtpEncodingParameters[] = [
      { rid: 'q', active: true, scaleResolutionDownBy: 4, maxBitrate: 1, priority: 'low' },
      { rid: 'f', active: false, scaleResolutionDownBy: 1, maxBitrate: 2, priority: 'high' },
    ];
    const layers = layersFor({ height: 720, bitrateBps: null });
    expect(withQuality(had, { height: 720, bitrateBps: null })).toEqual([
      { ...layers[0], priority: 'low' },
      { ...layers[2], priority: 'high' },
    ]);
  });

  it.each([
    [720, [4, 2, 1]],
    [360, [2, 1]],
    [180, [1]],
    [null, [4, 2, 1]],
  ])('sends a picture of %s lines in full, and in as many smaller sizes as browsers send of it', (lines, scales) => {
    const quality = { height: 720, bitrateBps: null } as const;
    const sent = withQuality(layersFor(quality), quality, lines).filter(({ active }) => active);
    expect(sent.map(({ scaleResolutionDownBy }) => scaleResolutionDownBy)).toEqual(scales);
    expect(Math.abs(sum(sent) - bitrateOf(quality))).toBeLessThan(3);
  });

  it('gives a single layer everything, whatever its name', () => {
    expect(withQuality([{ rid: 'f' }], { height: 480, bitrateBps: 500_000 })).toEqual([
      { rid: 'f', maxBitrate: 500_000 },
    ]);
  });
});

describe('constraints', () => {
  it('ask for a size without insisting, and for a device and nothing else', () => {
    const quality = { height: 720, bitrateBps: null } as const;
    expect(cameraConstraints(quality, { deviceId: 'c' })).toMatchObject({
      width: { ideal: 1280 },
      height: { ideal: 720 },
      deviceId: { exact: 'c' },
    });
    expect(cameraConstraints(quality, { facingMode: 'environment', exact: true })).toMatchObject({
      facingMode: { exact: 'environment' },
    });
    expect(cameraConstraints(quality, null)).not.toHaveProperty('deviceId');
    expect(microphoneConstraints(null)).not.toHaveProperty('deviceId');
    expect(microphoneConstraints('m')).toMatchObject({ deviceId: { exact: 'm' }, echoCancellation: true });
    expect(microphoneConstraints('m', false)).toMatchObject({ noiseSuppression: false, autoGainControl: false });
  });
});
