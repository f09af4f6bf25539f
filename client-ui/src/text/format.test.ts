import { describe, expect, it } from 'vitest';
import { bitrate, clock, isoDuration, milliseconds, percent, pictureSize, viewers } from './format';

describe('format', () => {
  it('shows a time on air, never a negative one', () => {
    expect([-500, 7_900, 723_000, 3_723_000, 360_000_000].map(clock)).toEqual([
      '0:00',
      '0:07',
      '12:03',
      '1:02:03',
      '100:00:00',
    ]);
    expect(isoDuration(3_723_000)).toBe('PT3723S');
  });

  it('counts viewers', () => {
    expect([0, 1, 2, 999, 12_345].map(viewers)).toEqual([
      '0 viewers',
      '1 viewer',
      '2 viewers',
      '999 viewers',
      '12.3K viewers',
    ]);
  });

  it('shows figures with their units', () => {
    expect(bitrate(2_540_000)).toBe('2.5 Mb/s');
    expect(bitrate(64_400)).toBe('64 kb/s');
    expect(milliseconds(13.7)).toBe('14 ms');
    expect(milliseconds(null)).toBe('–');
    expect([0, 0.004, 0.12].map(percent)).toEqual(['0 %', '0.4 %', '12 %']);
    expect(pictureSize(1280, 720)).toBe('720p');
    expect(pictureSize(720, 1280)).toBe('720p');
    expect(pictureSize(0, 0)).toBe('–');
  });
});
