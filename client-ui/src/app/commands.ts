import { Channel, invoke } from '@tauri-apps/api/core';
import type {
  AppEvent,
  AppRequest,
  AppResponse,
  AppServer,
  Failure,
  Live,
  NearbyServer,
  SocketEvent,
  Start,
} from './bindings';

/** What the app answers where it does not do what was asked. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(wordsOf(failure));
    this.failure = failure;
  }
}

/** A failure in words for people. */
export function wordsOf(failure: Failure): string {
  switch (failure.kind) {
    case 'no_server':
      return 'No server is chosen yet.';
    case 'unreachable':
      return `${failure.server} does not answer. Check that it runs, and this computer’s network. (${failure.message})`;
    case 'not_footlight':
      return `There is a server at ${failure.server}, but it is not Footlight. Check the port.`;
    case 'certificate_changed':
      return `The certificate of ${failure.server} has ${failure.expired ? 'expired' : 'changed'}.`;
    case 'busy':
      return 'The app is busy. Try again in a moment.';
    case 'untrusted':
      return `${failure.server} cannot be trusted: ${failure.message}`;
    case 'device':
    case 'invalid':
    case 'system':
      return failure.message;
  }
}

function isFailure(value: unknown): value is Failure {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Failure>).kind === 'string';
}

/** A failure of any kind; what the app does not name itself is a fault of the pages, such as a missing argument. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommandFailed) {
    return error.failure;
  }
  return isFailure(error) ? error : { kind: 'system', message: String(error) };
}

/** Asks the app. Rejects with {@link CommandFailed}. */
export async function call<T>(command: string, args: Record<string, unknown> = {}): Promise<T> {
  try {
    return await invoke<T>(command, args);
  } catch (error) {
    throw new CommandFailed(failureOf(error));
  }
}

async function run(command: string, args: Record<string, unknown> = {}): Promise<void> {
  await call<unknown>(command, args);
}

/** The commands of the app, each as `src-tauri/src/commands.rs` describes it. All reject with {@link CommandFailed}. */
export const commands = {
  start: () => call<Start>('start'),
  setName: (name: string) => run('set_name', { name }),
  nearbyServers: () => call<NearbyServer[]>('nearby_servers'),
  connect: (address: string) => call<AppServer>('connect', { address }),
  serve: () => call<AppServer>('serve'),
  leave: () => run('leave'),
  believeCertificate: (server: string, received: string) => run('believe_certificate', { server, received }),
  askServer: (request: AppRequest) => call<AppResponse>('ask_server', { request }),
  openSocket: (path: string, listener: (event: SocketEvent) => void) =>
    call<number>('open_socket', { path, events: new Channel<SocketEvent>(listener) }),
  sendFrame: (socket: number, text: string) => run('send_frame', { socket, text }),
  acknowledgeFrames: (socket: number, taken: number) => run('acknowledge_frames', { socket, taken }),
  listen: (listener: (event: AppEvent) => void) => run('listen', { events: new Channel<AppEvent>(listener) }),
  setLive: (live: Live) => run('set_live', { live }),
  notify: (words: string) => run('notify', { words }),
  stay: () => run('stay'),
  quit: () => run('quit'),
  closeSocket: (socket: number, code: number | null) => run('close_socket', { socket, code }),
};

/** The commands that a phone has besides, as `src-tauri/phone` describes them. */
export const phoneCommands = {
  startLiveService: () => run('plugin:footlight-phone|start_live_service'),
  stopLiveService: () => run('plugin:footlight-phone|stop_live_service'),
};

/** See {@link phoneCommands}; tests bring their own. */
export type PhoneCommands = typeof phoneCommands;

/** The part of the commands that reaches the server; tests bring their own. */
export type ServerCommands = Pick<
  typeof commands,
  'askServer' | 'openSocket' | 'sendFrame' | 'acknowledgeFrames' | 'closeSocket'
>;
