import type { Server, Socket, SocketEvents } from '../server/server';
import { fromBase64, toBase64 } from './base64';
import type { Failure } from './bindings';
import { type ServerCommands, failureOf } from './commands';
import { RelayedSocket } from './relayed-socket';

/** Answers that have no body (Fetch §2.2.3). */
const NULL_BODY_STATUS: readonly number[] = [101, 103, 204, 205, 304];

/** Where the server is. */
export interface Place {
  readonly origin: string;
  readonly sharedOrigin: string;
}

/** The server that a person chose, by way of the app. */
export class RelayedServer implements Server {
  readonly origin: string;
  readonly sharedOrigin: string;
  readonly #commands: ServerCommands;
  readonly #report: (failure: Failure) => void;
  readonly #pictures: (path: string) => string;
  #last: RelayedSocket | null = null;

  /**
   * @param report - hears why the server was not reached
   * @param pictures - where the window finds a picture of the server, by its path
   */
  constructor(
    place: Place,
    commands: ServerCommands,
    report: (failure: Failure) => void,
    pictures: (path: string) => string,
  ) {
    this.origin = place.origin;
    this.sharedOrigin = place.sharedOrigin;
    this.#commands = commands;
    this.#report = report;
    this.#pictures = pictures;
  }

  async fetch(target: string | URL, init: RequestInit = {}): Promise<Response> {
    const { signal = null, ...rest } = init;
    const request = new Request(new URL(target, this.origin), rest);
    const path = this.#pathOf(new URL(request.url));
    const body = new Uint8Array(await request.arrayBuffer());
    const asking = this.#commands.askServer({
      method: request.method,
      path,
      headers: [...request.headers],
      body: body.length === 0 ? null : toBase64(body),
    });
    const {
      status,
      headers,
      body: answer,
    } = await unlessAborted(asking, signal).catch((error: unknown) => {
      if (error instanceof DOMException) {
        throw error;
      }
      this.#report(failureOf(error));
      // As the browser's own says it.
      throw new TypeError('the server was not reached', { cause: error });
    });
    return new Response(NULL_BODY_STATUS.includes(status) ? null : fromBase64(answer), { status, headers });
  }

  openSocket(url: string, events: SocketEvents): Socket {
    const target = new URL(url);
    target.protocol = target.protocol === 'wss:' ? 'https:' : 'http:';
    const socket = new RelayedSocket(this.#commands, this.#pathOf(target), events, this.#report);
    this.#last = socket;
    return socket;
  }

  /** When the last socket has done what was asked of it so far: a farewell takes its time. */
  get settled(): Promise<void> {
    return this.#last?.settled ?? Promise.resolve();
  }

  readonly pictureUrl = (url: URL): URL => new URL(this.#pictures(this.#pathOf(url)));

  #pathOf(url: URL): string {
    if (url.origin !== this.origin) {
      throw new TypeError(`${url.origin} is not the server that was chosen`);
    }
    return url.pathname + url.search;
  }
}

/** The app goes on with what it was asked; nobody waits for it any more. */
function unlessAborted<T>(asking: Promise<T>, signal: AbortSignal | null): Promise<T> {
  if (signal === null) {
    return asking;
  }
  return new Promise((resolve, reject) => {
    const abort = () => reject(abortion(signal));
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    asking.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function abortion(signal: AbortSignal): DOMException {
  return signal.reason instanceof DOMException ? signal.reason : new DOMException('aborted', 'AbortError');
}
