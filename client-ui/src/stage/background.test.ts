import { describe, expect, it } from 'vitest';
import { backgroundImage } from './background';

const image = (path: string | null) => backgroundImage(path, 'https://host');

describe('backgroundImage', () => {
  it('names a file of this server', () => {
    expect(image('/media/show/background.jpg')).toBe('url("https://host/media/show/background.jpg")');
  });

  it.each([null, '', 'https://elsewhere/x.jpg', '//elsewhere/x.jpg', 'data:image/png;base64,AAAA', 'http://['])(
    'is nothing for %j',
    (path) => {
      expect(image(path)).toBeNull();
    },
  );

  it('cannot be left by a quotation mark', () => {
    expect(image('/a");background:url("//elsewhere')).not.toMatch(/".*".*"/);
  });
});
