import { describe, expect, it } from 'vitest';
import { AS_IT_COMES, PLAIN_LENS, lensConstraints, lensOf } from './lens';

const offering = (capabilities: object) => ({ getCapabilities: () => capabilities as MediaTrackCapabilities });

describe('lensOf', () => {
  it('offers what the camera does, and nothing else', () => {
    expect(lensOf(offering({ torch: true, zoom: { min: 1, max: 8, step: 0.1 } }))).toEqual({
      torch: true,
      zoom: { min: 1, max: 8, step: 0.1 },
    });
    expect(lensOf(offering({ width: { max: 640 } }))).toEqual(PLAIN_LENS);
    expect(lensOf(offering({ torch: false, zoom: { min: 1, max: 1, step: 1 } }))).toEqual(PLAIN_LENS);
  });

  it('reads what older browsers say, and is content with silence', () => {
    expect(lensOf(offering({ torch: [false, true] })).torch).toBe(true);
    expect(lensOf(offering({ zoom: { min: 100, max: 400 } })).zoom?.step).toBe(3);
    expect(lensOf({} as MediaStreamTrack)).toEqual(PLAIN_LENS);
  });
});

describe('lensConstraints', () => {
  it('name only what was set', () => {
    expect(lensConstraints(AS_IT_COMES)).toEqual({});
    expect(lensConstraints({ torch: true, zoom: null })).toEqual({ advanced: [{ torch: true }] });
    expect(lensConstraints({ torch: false, zoom: 2 })).toEqual({ advanced: [{ torch: false, zoom: 2 }] });
  });
});
