/** Hears what becomes of a socket. After `closed`, nothing more. */
export interface SocketEvents {
  opened(): void;
  message(data: unknown): void;
  /** @param code - the close code (RFC 6455 §7.4); `undefined` where there is none */
  closed(code: number | undefined): void;
}

/** A WebSocket, as far as it is needed. */
export interface Socket {
  readonly isOpen: boolean;
  /** Sends, where it is open. */
  send(text: string): void;
  /** Closes, and reports nothing more. */
  close(code?: number): void;
}

/**
 * The Footlight server behind these pages. In a browser it is the one that they came from; an application that embeds them
 * brings a way to the server that a person chose.
 */
export interface Server {
  /** Scheme, host and port under which these pages find it. */
  readonly origin: string;
  /** The same for other people: what links and QR codes show. */
  readonly sharedOrigin: string;
  /** Like the browser's own; `target` is a path, or a whole address of this server. */
  fetch(target: string | URL, init?: RequestInit): Promise<Response>;
  /** @param url - a whole address of this server, with `ws:` or `wss:` */
  openSocket(url: string, events: SocketEvents): Socket;
  /** Where an element or a style finds the picture that is at `url` on this server. */
  pictureUrl(url: URL): URL;
}
