import { browserEngine } from './browser-engine';
import type { MediaEngine } from './engine';

/** What carries the media of these pages: the one place that chooses. */
export const engine: MediaEngine = browserEngine;
