import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CommandFailed, phoneCommands, type PhoneCommands } from './commands';
import { LiveService } from './live-service';

const { invoke } = vi.hoisted(() => ({ invoke: vi.fn<(command: string) => Promise<void>>() }));
vi.mock('@tauri-apps/api/core', () => ({ invoke, Channel: vi.fn() }));

/** A phone whose system takes its time, and remembers what it was told. */
class FakePhone implements PhoneCommands {
  readonly told: string[] = [];
  #answer: { resolve: () => void; reject: (error: Error) => void } | null = null;

  startLiveService = () => this.#hear('start');
  stopLiveService = () => this.#hear('stop');

  async answer(refusal?: Error): Promise<void> {
    if (refusal === undefined) {
      this.#answer?.resolve();
    } else {
      this.#answer?.reject(refusal);
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }

  #hear(what: string): Promise<void> {
    this.told.push(what);
    return new Promise((resolve, reject) => (this.#answer = { resolve, reject }));
  }
}

let phone: FakePhone;
let refusals: string[];
let service: LiveService;

beforeEach(() => {
  phone = new FakePhone();
  refusals = [];
  service = new LiveService((words) => refusals.push(words), phone);
});

describe('the live service of a phone', () => {
  it('runs from the first moment on air to the last', async () => {
    service.follow(false);
    expect(phone.told).toEqual([]);
    service.follow(true);
    await phone.answer();
    service.follow(true);
    expect(phone.told).toEqual(['start']);
    service.follow(false);
    await phone.answer();
    expect(phone.told).toEqual(['start', 'stop']);
    expect(refusals).toEqual([]);
  });

  it('ends for somebody who leaves the stage while the system still asks', async () => {
    service.follow(true);
    service.follow(false);
    expect(phone.told).toEqual(['start']);
    await phone.answer();
    expect(phone.told).toEqual(['start', 'stop']);
  });

  it('does not stop and start for somebody who comes back before the answer', async () => {
    service.follow(true);
    service.follow(false);
    service.follow(true);
    await phone.answer();
    expect(phone.told).toEqual(['start']);
  });

  it('tells why the system refuses, once, and asks again the next time on air', async () => {
    service.follow(true);
    await phone.answer(
      new CommandFailed({ kind: 'system', message: 'neither the camera nor the microphone is allowed' }),
    );
    service.follow(true);
    expect(refusals).toEqual(['neither the camera nor the microphone is allowed']);
    expect(phone.told).toEqual(['start']);
    service.follow(false);
    await phone.answer();
    service.follow(true);
    expect(phone.told).toEqual(['start', 'stop', 'start']);
  });
});

describe('the commands of a phone', () => {
  it('are those of the plugin', async () => {
    invoke.mockResolvedValue();
    await phoneCommands.startLiveService();
    await phoneCommands.stopLiveService();
    expect(invoke.mock.calls.map(([command]) => command)).toEqual([
      'plugin:footlight-phone|start_live_service',
      'plugin:footlight-phone|stop_live_service',
    ]);
  });
});
