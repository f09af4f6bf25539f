import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BrowserOutputs } from './browser-outputs';
import { Loudspeaker } from './loudspeaker.svelte';

const DESK = { kind: 'audiooutput', deviceId: 'desk', label: 'Desk' } as const;
const HEADSET = { kind: 'audiooutput', deviceId: 'headset', label: 'Headset' } as const;
const DEFAULT = { kind: 'audiooutput', deviceId: 'default', label: 'Default - Desk' } as const;
const MICROPHONE = { kind: 'audioinput', deviceId: 'mic', label: 'Microphone' } as const;

type Device = Pick<MediaDeviceInfo, 'kind' | 'deviceId' | 'label'>;

class Element {
  sinkId = '';
  broken = false;
  setSinkId = (id: string): Promise<void> => {
    if (this.broken && id !== '') {
      return Promise.reject(new DOMException('', 'AbortError'));
    }
    this.sinkId = id;
    return Promise.resolve();
  };
}

function world(devices: Device[] = [DEFAULT, DESK, HEADSET, MICROPHONE]) {
  const listeners = new Set<() => void>();
  const list = {
    devices,
    enumerateDevices: () => Promise.resolve(list.devices as MediaDeviceInfo[]),
    addEventListener: (_: string, listener: () => void) => listeners.add(listener),
    removeEventListener: (_: string, listener: () => void) => listeners.delete(listener),
  };
  const changed = async (now: Device[]): Promise<void> => {
    list.devices = now;
    listeners.forEach((listener) => listener());
    await settle();
  };
  return { list, changed, make: () => speakerOf(list) };
}

function speakerOf(devices: unknown): Loudspeaker {
  const outputs = new BrowserOutputs(devices as MediaDevices);
  return new Loudspeaker(() => outputs);
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

const stored = new Map<string, string>();
beforeEach(() => {
  stored.clear();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
    removeItem: (key: string) => stored.delete(key),
  });
});
afterEach(() => void vi.unstubAllGlobals());

describe('Loudspeaker of a browser', () => {
  it('lists what there is besides the system’s own', async () => {
    const speaker = world().make();
    expect(speaker.offered).toBe(false);
    speaker.follow();
    await settle();
    expect(speaker.devices.map(({ name }) => name)).toEqual(['Desk', 'Headset']);
    expect(speaker.offered).toBe(true);
  });

  it('is not offered where the browser has none to choose', async () => {
    const speaker = new Loudspeaker(() => undefined);
    speaker.follow();
    await settle();
    expect(speaker.offered).toBe(false);
    const mute = world([MICROPHONE, { ...DESK, deviceId: '' }]).make();
    mute.follow();
    await settle();
    expect(mute.offered, 'before the permission').toBe(false);
  });

  it('moves everything that sounds, and what comes later', async () => {
    const speaker = world().make();
    const [first, second] = [new Element(), new Element()];
    const release = speaker.carry(first);
    speaker.follow();
    await settle();
    await speaker.choose('headset');
    speaker.carry(second);
    expect([first.sinkId, second.sinkId]).toEqual(['headset', 'headset']);
    release();
    await speaker.choose('');
    expect([first.sinkId, second.sinkId]).toEqual(['headset', '']);
  });

  it('is the one of last time, by its name where its id is another', async () => {
    stored.set('footlight.loudspeaker', JSON.stringify({ id: 'before', name: 'Headset' }));
    const speaker = world().make();
    const element = new Element();
    speaker.carry(element);
    speaker.follow();
    await settle();
    expect([speaker.deviceId, element.sinkId]).toEqual(['headset', 'headset']);
  });

  it('falls back to the system’s own with words where it goes away, and comes back with it', async () => {
    const { make, changed } = world();
    const speaker = make();
    const element = new Element();
    speaker.carry(element);
    const end = speaker.follow();
    await settle();
    await speaker.choose('headset');
    await changed([DEFAULT, DESK]);
    expect([speaker.deviceId, element.sinkId]).toEqual(['', '']);
    expect(speaker.trouble).toContain('“Headset” is gone');
    await changed([DEFAULT, DESK, HEADSET]);
    expect([element.sinkId, speaker.trouble]).toEqual(['headset', '']);
    end();
    await changed([DEFAULT]);
    expect(element.sinkId).toBe('headset');
  });

  it('stays what it was where another one cannot be used', async () => {
    const speaker = world().make();
    const [element, broken] = [new Element(), new Element()];
    broken.broken = true;
    speaker.carry(element);
    speaker.carry(broken);
    speaker.follow();
    await settle();
    await speaker.choose('desk');
    expect([speaker.deviceId, element.sinkId]).toEqual(['', '']);
    expect(speaker.trouble).toContain('“Desk” cannot be used');
    expect(stored.size).toBe(0);
  });

  it('is asked for by the browser where that has a list of its own', async () => {
    const { list } = world([MICROPHONE]);
    const selectAudioOutput = vi.fn(() => {
      list.devices = [HEADSET];
      return Promise.resolve(HEADSET);
    });
    const speaker = speakerOf({ ...list, selectAudioOutput });
    const element = new Element();
    speaker.carry(element);
    speaker.follow();
    await settle();
    expect([speaker.canAsk, speaker.offered]).toEqual([true, true]);
    await speaker.ask();
    expect([speaker.deviceId, element.sinkId]).toEqual(['headset', 'headset']);
    selectAudioOutput.mockRejectedValue(new DOMException('', 'NotAllowedError'));
    await speaker.ask();
    expect([speaker.deviceId, speaker.trouble]).toEqual(['headset', '']);
  });
});
