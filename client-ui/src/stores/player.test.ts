import { afterEach, beforeEach, expect, it, vi } from 'vitest';

/** What a browser does with small windows (W3C Picture-in-Picture §4.1), as far as the page sees it. */
class Browser {
  readonly pictureInPictureEnabled = true;
  pictureInPictureElement: unknown = null;
  tapped = true;

  exitPictureInPicture(): Promise<void> {
    this.pictureInPictureElement = null;
    return Promise.resolve();
  }

  video(): HTMLVideoElement & { arrive: () => void } {
    const video = Object.assign(new EventTarget(), {
      hasPicture: false,
      requestPictureInPicture: () => {
        if (!video.hasPicture) {
          return Promise.reject(new DOMException('no picture', 'InvalidStateError'));
        }
        if (!this.tapped && this.pictureInPictureElement === null) {
          return Promise.reject(new DOMException('no tap', 'NotAllowedError'));
        }
        this.pictureInPictureElement = video;
        return Promise.resolve();
      },
      arrive: () => {
        video.hasPicture = true;
        video.dispatchEvent(new Event('loadedmetadata'));
      },
    });
    return video as unknown as HTMLVideoElement & { arrive: () => void };
  }
}

let browser: Browser;

beforeEach(() => {
  browser = new Browser();
  vi.stubGlobal('document', browser);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

async function player() {
  const { Player } = await import('./player.svelte');
  return new Player();
}

it('opens the small window, goes on in it with another picture, and closes it', async () => {
  const [first, second] = [browser.video(), browser.video()];
  const of = await player();
  of.main(first);
  first.arrive();
  await of.togglePictureInPicture();
  expect(browser.pictureInPictureElement).toBe(first);
  browser.tapped = false;
  of.main(second);
  second.arrive();
  expect(browser.pictureInPictureElement).toBe(second);
  await of.togglePictureInPicture();
  expect(browser.pictureInPictureElement).toBeNull();
  second.arrive();
  expect(browser.pictureInPictureElement).toBeNull();
});

it('opens the small window that was asked for before there was a picture, with the first', async () => {
  const video = browser.video();
  const of = await player();
  await of.togglePictureInPicture();
  of.main(video);
  await Promise.resolve();
  video.arrive();
  expect(browser.pictureInPictureElement).toBe(video);
});

it('opens no small window by itself when the tap was too long ago', async () => {
  const video = browser.video();
  const of = await player();
  of.main(video);
  await of.togglePictureInPicture();
  browser.tapped = false;
  video.arrive();
  await new Promise((answered) => setTimeout(answered));
  expect(browser.pictureInPictureElement).toBeNull();
  browser.tapped = true;
  video.arrive();
  expect(browser.pictureInPictureElement).toBeNull();
});

it('opens no small window that was asked for long before there was a picture, whatever was tapped since', async () => {
  const video = browser.video();
  const of = await player();
  of.main(video);
  vi.useFakeTimers();
  await of.togglePictureInPicture();
  vi.advanceTimersByTime(5000);
  video.arrive();
  expect(browser.pictureInPictureElement).toBeNull();
});

/** An iPhone: no element but a video goes on the full screen, and the document knows nothing of it. */
function iPhone() {
  const done: string[] = [];
  class Video extends EventTarget {
    webkitEnterFullscreen(): void {
      done.push('full screen');
    }
    play(): Promise<void> {
      done.push('play');
      return Promise.resolve();
    }
  }
  vi.stubGlobal('document', { addEventListener: () => undefined });
  vi.stubGlobal('HTMLVideoElement', Video);
  const video = new Video();
  return { done, video, shown: video as unknown as HTMLVideoElement };
}

it('puts the video alone on the full screen of an iPhone', async () => {
  const { done, shown } = iPhone();
  const of = await player();
  expect(of.canFullScreen).toBe(true);
  of.main(shown);
  await of.toggleFullScreen({} as HTMLElement);
  expect(done).toEqual(['full screen']);
});

it('goes on when the video has left that screen, whenever it was paused', async () => {
  const { done, video, shown } = iPhone();
  vi.useFakeTimers();
  const of = await player();
  const end = of.main(shown);
  video.dispatchEvent(new Event('pause'));
  expect(done).toEqual([]);
  video.dispatchEvent(new Event('webkitendfullscreen'));
  expect(done).toEqual(['play']);
  vi.advanceTimersByTime(100);
  video.dispatchEvent(new Event('pause'));
  expect(done).toEqual(['play', 'play']);
  vi.advanceTimersByTime(2000);
  video.dispatchEvent(new Event('pause'));
  end();
  video.dispatchEvent(new Event('webkitendfullscreen'));
  expect(done).toEqual(['play', 'play']);
});

it('offers no full screen where there is none', async () => {
  vi.stubGlobal('document', {});
  expect((await player()).canFullScreen).toBe(false);
  vi.stubGlobal('document', { fullscreenEnabled: true });
  expect((await player()).canFullScreen).toBe(true);
});
