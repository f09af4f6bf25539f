import { describe, expect, it } from 'vitest';
import { fromBase64, toBase64 } from './base64';

describe('base64', () => {
  it('writes what others read', () => {
    expect(toBase64(new TextEncoder().encode('Footlight'))).toBe('Rm9vdGxpZ2h0');
  });

  it('gives back every byte, also of something large', () => {
    const bytes = Uint8Array.from({ length: 20_001 }, (_, at) => at % 256);
    expect(fromBase64(toBase64(bytes))).toEqual(bytes);
  });
});
