import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Loudspeaker } from '../media/loudspeaker.svelte';
import { CommandFailed } from './commands';
import type { LoudspeakerLost, MediaCommands } from './media-commands';
import { NativeOutputs } from './native-outputs';

const DESK = { id: 'pulseaudio:desk', name: 'Desk' };
const HEADSET = { id: 'pulseaudio:headset', name: 'Headset' };

/** Longer than the app's devices stay unlooked for. */
const A_WHILE_MS = 3_500;

/** An app with loudspeakers, and what it was asked for. */
function app() {
  let lose: (loss: LoudspeakerLost) => void = () => undefined;
  const world = {
    devices: [DESK, HEADSET],
    broken: '',
    used: [] as (string | null)[],
    lookedFor: 0,
    lose: (device: string) => lose({ device }),
  };
  const commands = {
    loudspeakers: () => {
      world.lookedFor += 1;
      return Promise.resolve(world.devices);
    },
    chooseLoudspeaker: (device: string | null) => {
      world.used.push(device);
      const failure = { kind: 'device', cause: 'failed', message: 'no' } as const;
      return device !== null && device === world.broken
        ? Promise.reject(new CommandFailed(failure))
        : Promise.resolve();
    },
    followLoudspeaker: (lost: (loss: LoudspeakerLost) => void) => {
      lose = lost;
      return Promise.resolve();
    },
  } as unknown as MediaCommands;
  const outputs = new NativeOutputs(commands);
  return { world, speaker: new Loudspeaker(() => outputs) };
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const aWhile = () => vi.advanceTimersByTimeAsync(A_WHILE_MS);

const stored = new Map<string, string>();
beforeEach(() => {
  vi.useFakeTimers();
  stored.clear();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
    removeItem: (key: string) => stored.delete(key),
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('Loudspeaker of the app', () => {
  it('lists what the app finds, and has it play on the one that is chosen', async () => {
    const { world, speaker } = app();
    expect(speaker.offered).toBe(false);
    speaker.follow();
    await settle();
    expect([speaker.offered, speaker.canAsk, speaker.devices]).toEqual([true, false, [DESK, HEADSET]]);
    await speaker.choose(HEADSET.id);
    await speaker.choose('');
    expect(world.used).toEqual([HEADSET.id, null]);
  });

  it('is the one of last time', async () => {
    stored.set('footlight.loudspeaker', JSON.stringify(HEADSET));
    const { world, speaker } = app();
    speaker.follow();
    await settle();
    expect([speaker.deviceId, world.used]).toEqual([HEADSET.id, [HEADSET.id]]);
  });

  it('falls back to the system’s own with words where it goes away, and comes back with it', async () => {
    const { world, speaker } = app();
    const end = speaker.follow();
    await settle();
    await speaker.choose(HEADSET.id);
    world.devices = [DESK];
    await aWhile();
    expect([speaker.deviceId, world.used.at(-1)]).toEqual(['', null]);
    expect(speaker.trouble).toContain('“Headset” is gone');
    world.devices = [DESK, HEADSET];
    await aWhile();
    expect([speaker.deviceId, speaker.trouble, world.used.at(-1)]).toEqual([HEADSET.id, '', HEADSET.id]);
    end();
    const { lookedFor } = world;
    await aWhile();
    expect(world.lookedFor, 'nobody wants to know').toBe(lookedFor);
  });

  it('says at once what the app has noticed by itself, and asks for nothing', async () => {
    const { world, speaker } = app();
    speaker.follow();
    await settle();
    await speaker.choose(HEADSET.id);
    world.lose(DESK.id);
    expect([speaker.deviceId, speaker.trouble], 'another one, of before').toEqual([HEADSET.id, '']);
    world.lose(HEADSET.id);
    expect(speaker.deviceId).toBe('');
    expect(speaker.trouble).toContain('“Headset” is gone');
    world.devices = [DESK];
    await aWhile();
    expect(world.used).toEqual([HEADSET.id]);
    expect(speaker.trouble).toContain('“Headset” is gone');
  });

  it('stays what it was where another one cannot be used', async () => {
    const { world, speaker } = app();
    speaker.follow();
    await settle();
    await speaker.choose(DESK.id);
    world.broken = HEADSET.id;
    await speaker.choose(HEADSET.id);
    expect([speaker.deviceId, world.used.at(-1)]).toEqual([DESK.id, DESK.id]);
    expect(speaker.trouble).toContain('“Headset” cannot be used');
    expect(stored.get('footlight.loudspeaker')).toBe(JSON.stringify(DESK));
  });

  it('does not miss a device that is being changed to', async () => {
    const { world, speaker } = app();
    speaker.follow();
    await settle();
    const choosing = speaker.choose(HEADSET.id);
    const looking = speaker.look();
    await Promise.all([choosing, looking]);
    expect([speaker.deviceId, speaker.trouble, world.used]).toEqual([HEADSET.id, '', [HEADSET.id]]);
  });

  it('is looked for once where two parts of a page follow it', async () => {
    const { world, speaker } = app();
    const ends = [speaker.follow(), speaker.follow()];
    await settle();
    const { lookedFor } = world;
    await aWhile();
    expect(world.lookedFor).toBe(lookedFor + 1);
    ends[0]?.();
    await aWhile();
    expect(world.lookedFor).toBe(lookedFor + 2);
  });
});
