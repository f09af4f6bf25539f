import type { Server, Socket, SocketEvents } from './server';

class BrowserSocket implements Socket {
  readonly #socket: WebSocket;

  constructor(url: string, events: SocketEvents) {
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => events.opened();
    this.#socket.onmessage = (event: MessageEvent<unknown>) => events.message(event.data);
    this.#socket.onclose = (event) => events.closed(event.code);
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  close(code?: number): void {
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close(code);
  }
}

/** The server that these pages came from. */
export const browserServer: Server = {
  get origin() {
    return location.origin;
  },
  get sharedOrigin() {
    return location.origin;
  },
  fetch: (target, init) => fetch(target, init),
  openSocket: (url, events) => new BrowserSocket(url, events),
  pictureUrl: (url) => url,
};
