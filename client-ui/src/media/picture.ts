/** Calls back with the next frame that `video` presents, once. Returns what takes the request back. */
export function onNextFrame(video: HTMLVideoElement, callback: () => void): () => void {
  if ('requestVideoFrameCallback' in video) {
    const handle = video.requestVideoFrameCallback(callback);
    return () => video.cancelVideoFrameCallback(handle);
  }
  const element: HTMLVideoElement = video;
  element.addEventListener('timeupdate', callback, { once: true });
  return () => element.removeEventListener('timeupdate', callback);
}

/**
 * Paints what `video` shows onto `canvas`, which lies beneath it: an element that is given another stream is transparent
 * until that stream's first frame.
 */
export function holdPicture(video: HTMLVideoElement, canvas: HTMLCanvasElement): void {
  if (video.videoWidth === 0 || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
    return;
  }
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d')?.drawImage(video, 0, 0);
}
