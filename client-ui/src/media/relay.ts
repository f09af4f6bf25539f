import type { IceServer } from '../protocol/bindings';

/**
 * How long the direct ways (UDP, and TCP to either port) may take from the answer on before the relay is tried beside
 * them. They need a few round trips; where a firewall swallows packets they would never say that they failed.
 */
export const RELAY_AFTER_MS = 2_500;

/**
 * The way round a firewall: the relays that the server told of, and whether this network needs them.
 *
 * They are left out of a connection at first. A browser that is given them asks each of them for an address, by each of
 * their transports and for as long as the connection lasts, whether it needs one or not.
 */
export class Relay {
  #servers: readonly IceServer[] = [];
  #needed = false;

  /** The server said which there are, with credentials that are good from now on. */
  told(servers: readonly IceServer[]): void {
    this.#servers = servers;
  }

  /** Media came through with them that had not without. */
  helped(): void {
    this.#needed = true;
  }

  /** The device is in another network, where the direct ways may work. */
  networkChanged(): void {
    this.#needed = false;
  }

  /** What a new connection is made with. */
  get configuration(): RTCConfiguration {
    return this.#needed ? this.withAll : {};
  }

  /** With the relays; for a connection that gets nowhere without. */
  get withAll(): RTCConfiguration {
    return { iceServers: this.#servers.map(({ urls, ...login }) => ({ urls: [...urls], ...login })) };
  }

  /** Whether there is something that a connection does not have from the start. */
  get isInReserve(): boolean {
    return !this.#needed && this.#servers.length > 0;
  }
}

/** That of this page. */
export const relay = new Relay();
