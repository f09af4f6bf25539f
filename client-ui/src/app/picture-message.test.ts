import { describe, expect, it } from 'vitest';
import { pictureIn } from './picture-message';

function message(kind: number, width: number, height: number, content: number, own = 0): ArrayBuffer {
  const buffer = new ArrayBuffer(20 + content);
  const view = new DataView(buffer);
  view.setUint8(0, kind);
  view.setUint8(1, 3);
  view.setUint8(2, 1);
  view.setUint8(3, own);
  view.setUint32(4, width, true);
  view.setUint32(8, height, true);
  view.setBigUint64(12, 1_500_000n, true);
  return buffer;
}

describe('a picture of the app', () => {
  it('is planes of the size that its header tells', () => {
    const told = { kind: 'i420', turns: 3, shown: true, width: 4, height: 2, timestampUs: 1_500_000 };
    const picture = pictureIn(message(0, 4, 2, 12));
    expect(picture).toMatchObject(told);
    expect(picture?.content).toHaveLength(12);
  });

  it.each([
    [0, 'bt601', false],
    [1, 'bt709', false],
    [2, 'bt601', true],
    [3, 'bt709', true],
  ])('tells how its planes become colours: %i', (own, matrix, fullRange) => {
    expect(pictureIn(message(0, 4, 2, 12, own))).toMatchObject({ colours: { matrix, fullRange } });
  });

  it.each([
    [1, 0, { kind: 'vp8', keyframe: false }],
    [2, 1, { kind: 'vp9', keyframe: true }],
    [3, 1, { kind: 'av1', keyframe: true }],
  ])('is a frame of any length where its kind is %i', (kind, keyframe, expected) => {
    const picture = pictureIn(message(kind, 0, 0, 7, keyframe));
    expect(picture).toMatchObject({ ...expected, width: 0 });
    expect(picture?.content).toHaveLength(7);
  });

  it.each([
    ['too short', new ArrayBuffer(19)],
    ['without planes', message(0, 4, 2, 0)],
    ['with more than its planes', message(0, 4, 2, 13)],
    ['of an odd width', message(0, 3, 2, 9)],
    ['of no size', message(0, 0, 0, 0)],
    ['of a kind that is not known', message(4, 0, 0, 7)],
  ])('is refused where a message is %s', (_, buffer) => {
    expect(pictureIn(buffer)).toBeNull();
  });
});
