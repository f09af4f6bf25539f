/** Quieter than this is shown as silence, in decibels below full scale: the noise of a quiet room. */
const FLOOR_DB = -60;

/** Share of the last level that is left with each frame: the needle falls slower than it rises. */
const FALL = 0.86;

/**
 * How loud `samples` are, 0 (silence) to 1 (full scale), evenly in decibels as ears hear it.
 *
 * @param samples - from -1 to 1
 */
export function loudness(samples: Float32Array): number {
  if (samples.length === 0) {
    return 0;
  }
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
  return levelOf(10 * Math.log10(power));
}

/**
 * How loud a sound is, 0 (silence) to 1 (full scale).
 *
 * @param decibels - below full scale, and so negative
 */
export function levelOf(decibels: number): number {
  return Math.min(1, Math.max(0, 1 - decibels / FLOOR_DB));
}

/** The level to show after `shown`, now that the sound is `heard`. */
export function fallTo(shown: number, heard: number): number {
  return Math.max(heard, shown * FALL);
}

/** Words for a level, for those who do not see it. */
export function levelWords(level: number): string {
  if (level < 0.12) {
    return 'silent';
  }
  if (level < 0.5) {
    return 'quiet';
  }
  return level < 0.9 ? 'good' : 'loud';
}

/**
 * Measures a microphone as often as the screen is drawn.
 *
 * @param shown - called with the level, 0 to 1
 * @returns what ends it
 */
export function measureLevel(track: MediaStreamTrack, shown: (level: number) => void): () => void {
  const context = new AudioContext({ latencyHint: 'interactive' });
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let level = 0;
  let frame = requestAnimationFrame(function measure() {
    analyser.getFloatTimeDomainData(samples);
    level = fallTo(level, loudness(samples));
    shown(level);
    frame = requestAnimationFrame(measure);
  });
  // Some browsers let no sound be heard, and none be measured, before the first touch.
  const resume = () => void context.resume().catch(() => undefined);
  resume();
  addEventListener('pointerdown', resume);
  return () => {
    cancelAnimationFrame(frame);
    removeEventListener('pointerdown', resume);
    void context.close();
  };
}
