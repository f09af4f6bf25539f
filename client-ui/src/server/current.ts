import { browserServer } from './browser-server';
import type { Server } from './server';

let chosen: Server = browserServer;

/** The server behind these pages: the one place that knows which. */
export function server(): Server {
  return chosen;
}

/** Brings another one, before anything is drawn. */
export function useServer(other: Server): void {
  chosen = other;
}
