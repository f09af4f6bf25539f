// Functions that run inside the watch page. Each stands by itself: the browser gets its text and nothing around it.

/**
 * Notes when the page's connection got how far, in milliseconds since the navigation began. Run before the page's own
 * scripts.
 */
export function noteSteps() {
  /** @type {Record<string, number>} */
  const steps = {};
  /** @type {RTCPeerConnection[]} */
  const connections = [];
  const note = (/** @type {string} */ step) => {
    steps[step] ??= performance.now();
  };
  window.RTCPeerConnection = class extends RTCPeerConnection {
    /** @param {RTCConfiguration} [configuration] */
    constructor(configuration) {
      super(configuration);
      connections.push(this);
      this.addEventListener('connectionstatechange', () => this.connectionState === 'connected' && note('connected'));
      this.addEventListener('signalingstatechange', () => {
        if (this.signalingState === 'have-local-offer') note('offered');
        if (this.signalingState === 'stable' && steps.offered !== undefined) note('answered');
      });
    }
  };
  document.addEventListener('DOMContentLoaded', () => note('scripted'));
  const findStage = new MutationObserver(() => {
    const video = document.querySelector('video[data-testid=stage]');
    if (!(video instanceof HTMLVideoElement)) return;
    findStage.disconnect();
    video.requestVideoFrameCallback(() => note('pictured'));
  });
  findStage.observe(document, { childList: true, subtree: true });
  Object.assign(window, { bench: { steps, connections } });
}

/**
 * Reads the strip of every picture that comes out of the decoder, for a while.
 * @param {HTMLVideoElement} video
 * @param {number} forMs
 */
export async function watchPictures(video, forMs) {
  /** Cells of the strip: two markers, 32 bits of frame number, 32 bits of capture time, two markers. */
  const CELLS = 68;
  /** Half way between black and white. */
  const THRESHOLD = 126;
  /** The strip's numbers are UNIX milliseconds modulo this. */
  const WORD = 2 ** 32;
  const unixNow = () => performance.timeOrigin + performance.now();

  /** Capture time in the strip of a decoded picture, or null. */
  const captureTime = async (/** @type {VideoFrame} */ frame) => {
    const { width, height } = frame.visibleRect ?? { width: 0, height: 0 };
    const strip = Math.floor(height / 10);
    // The row in the middle of the strip, two pixels high because chroma has half as many.
    const row = (height - Math.ceil(strip / 2)) & ~1;
    const rect = { x: 0, y: row, width, height: 2 };
    const bytes = new Uint8Array(frame.allocationSize({ rect }));
    await frame.copyTo(bytes, { rect });
    // Luma comes first in planar formats; in the others green is most of it.
    const planar = frame.format?.startsWith('I4') || frame.format === 'NV12';
    const plane = planar ? bytes : bytes.filter((_, index) => index % 4 === 1);
    let [number, captured] = [0, 0];
    for (let cell = 0; cell < CELLS; cell += 1) {
      const left = Math.floor((cell * width) / CELLS);
      const right = Math.floor(((cell + 1) * width) / CELLS);
      const quarter = Math.floor((right - left) / 4);
      const middle = plane.subarray(left + quarter, right - quarter);
      const white = middle.reduce((sum, luma) => sum + luma, 0) / middle.length > THRESHOLD;
      const marker = cell === 0 || cell === CELLS - 1 ? true : cell === 1 || cell === CELLS - 2 ? false : undefined;
      if (marker !== undefined && marker !== white) return null;
      if (cell >= 2 && cell < 34) number = number * 2 + Number(white);
      if (cell >= 34 && cell < 66) captured = captured * 2 + Number(white);
    }
    return number === 0 ? null : captured;
  };
  const age = (/** @type {number} */ at, /** @type {number} */ captured) => (((at % WORD) - captured) % WORD + WORD) % WORD;

  const media = /** @type {MediaStream} */ (video.srcObject);
  const track = media.getVideoTracks()[0]?.clone();
  // Chromium's; it answers each picture as it leaves the decoder and the jitter buffer, before it is drawn.
  const { MediaStreamTrackProcessor } = /** @type {any} */ (window);
  /** @type {ReadableStreamDefaultReader<VideoFrame>} */
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();

  /** @type {number[]} */
  const shown = [];
  const onShown = async (/** @type {number} */ _now, /** @type {VideoFrameCallbackMetadata} */ metadata) => {
    const frame = new VideoFrame(video);
    const captured = await captureTime(frame);
    frame.close();
    if (captured !== null) shown.push(age(performance.timeOrigin + metadata.expectedDisplayTime, captured));
    video.requestVideoFrameCallback(onShown);
  };
  video.requestVideoFrameCallback(onShown);

  const jitterBuffer = async () => {
    const { connections } = /** @type {any} */ (window).bench;
    const reports = await Promise.all(connections.map((/** @type {RTCPeerConnection} */ one) => one.getStats()));
    const entries = reports.flatMap((report) => [...report.values()]);
    const video = entries.find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'video');
    return { delay: video?.jitterBufferDelay ?? 0, count: video?.jitterBufferEmittedCount ?? 0 };
  };
  const before = await jitterBuffer();

  /** @type {number[]} */
  const decoded = [];
  let [unreadable, width, height] = [0, 0, 0];
  const began = performance.now();
  while (performance.now() - began < forMs) {
    const { value: frame, done } = await reader.read();
    const at = unixNow();
    if (done) break;
    const captured = await captureTime(frame);
    ({ width, height } = frame.visibleRect ?? { width, height });
    frame.close();
    if (captured === null) unreadable += 1;
    else decoded.push(age(at, captured));
  }
  const seconds = (performance.now() - began) / 1000;
  await reader.cancel();
  const after = await jitterBuffer();
  const emitted = after.count - before.count;
  const jitterBufferMs = emitted > 0 ? ((after.delay - before.delay) / emitted) * 1000 : 0;
  return { decoded, shown, unreadable, width, height, seconds, jitterBufferMs };
}
