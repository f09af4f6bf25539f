import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Recorded } from './engine';
import { RecordingState } from './recording.svelte';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A recorder that says what it is told to. */
function fakeRecorder() {
  const told: { now: Recorded | null; refusal: string | null } = { now: null, refusal: null };
  const recorder = {
    start: vi.fn(() =>
      told.refusal === null ? Promise.resolve('/home/ada/Videos') : Promise.reject(new Error(told.refusal)),
    ),
    state: () => Promise.resolve(told.now),
    stop: vi.fn(() => Promise.resolve(told.now)),
  };
  return { told, recorder, state: new RecordingState(recorder) };
}

describe('a recording', () => {
  it('says where it goes, how long it is, and where it went', async () => {
    const { told, recorder, state } = fakeRecorder();
    await state.toggle('My show');
    expect(recorder.start).toHaveBeenCalledWith('My show');
    expect(state.running).toBe(true);
    expect(state.news).toBe('Recording to /home/ada/Videos');
    told.now = { files: ['/home/ada/Videos/My show.mp4'], seconds: 61, lost: 0 };
    await vi.advanceTimersByTimeAsync(1_000);
    expect(state.seconds).toBe(61);
    await state.toggle('My show');
    expect(state.running).toBe(false);
    expect(state.news).toBe('Recorded to /home/ada/Videos/My show.mp4');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that breaks off says why, and what is kept', async () => {
    const { told, recorder, state } = fakeRecorder();
    await state.toggle('My show');
    told.now = { files: ['a.mp4'], seconds: 3, lost: 2, problem: 'the disk is full' };
    await vi.advanceTimersByTimeAsync(1_000);
    expect(recorder.stop).toHaveBeenCalledOnce();
    expect(state.running).toBe(false);
    expect(state.news).toContain('Recorded to a.mp4');
    expect(state.news).toContain('the disk is full');
    expect(state.news).toContain('missing');
  });

  it('that cannot begin says so', async () => {
    const { told, state } = fakeRecorder();
    told.refusal = 'cannot record to /: read-only file system';
    await state.toggle('My show');
    expect(state.running).toBe(false);
    expect(state.news).toBe('Not recorded: cannot record to /: read-only file system');
  });

  it('that has only just been asked for ends as well, and whoever ends it waits until it is written', async () => {
    const { recorder, state } = fakeRecorder();
    let written: () => void = () => undefined;
    recorder.stop.mockImplementation(() => new Promise((resolve) => (written = () => resolve(null))));
    void state.toggle('My show');
    const ended = vi.fn();
    void state.stop().then(ended);
    void state.stop().then(ended);
    await vi.advanceTimersByTimeAsync(10_000);
    expect([recorder.start.mock.calls.length, recorder.stop.mock.calls.length]).toEqual([1, 1]);
    expect(ended).not.toHaveBeenCalled();
    written();
    await vi.advanceTimersByTimeAsync(0);
    expect(ended).toHaveBeenCalledTimes(2);
    expect([state.running, state.busy, recorder.stop.mock.calls.length]).toEqual([false, false, 1]);
  });

  it('is not to be had in a browser', async () => {
    const state = new RecordingState(null);
    await state.toggle('My show');
    expect([state.possible, state.running]).toEqual([false, false]);
  });
});
