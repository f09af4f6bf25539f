import { browserEngine } from './browser-engine';
import type { MediaEngine } from './engine';

let current: MediaEngine = browserEngine;

/** What carries the media of these pages. */
export function mediaEngine(): MediaEngine {
  return current;
}

/** Chooses another engine, before anything is watched. */
export function useMediaEngine(engine: MediaEngine): void {
  current = engine;
}
