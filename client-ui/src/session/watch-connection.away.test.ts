import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { World, pass } from './watch-connection.world';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('losing', () => {
  it('reads its counters however busy the session is', async () => {
    const world = new World();
    await world.goLive();
    for (let count = 0; count < 100; count += 1) {
      world.say({ type: 'user_joined', user_id: `u${count}`, username: 'U', role: 'viewer', viewer_count: count });
      await pass(50);
    }
    expect(world.phase, 'the picture stands still').toBe('waiting');
  });

  it('comes back when the server is killed and started again, also while it does not know the session yet', async () => {
    const world = new World();
    await world.goLive();
    world.admission = 'unreachable';
    world.socket.closed('lost');
    expect(world.phase).toBe('reconnecting');
    expect(world.subscription.closed).toBe(true);
    await pass(20_000);
    world.admission = 'absent';
    await pass(60_000);
    expect(world.phase).toBe('reconnecting');
    world.admission = 'granted';
    await pass(5_000);
    await world.goLive();
    expect(world.phases).toEqual(['connecting', 'live', 'reconnecting', 'live']);
  });

  it('brings the session back as its host, to a server that was started again', async () => {
    const world = new World({ hosts: true });
    await world.goLive();
    world.admission = 'absent';
    world.socket.closed('lost');
    await pass(2_000);
    expect(world.sockets).toHaveLength(2);
    await world.goLive();
    expect(world.phases).toEqual(['connecting', 'live', 'reconnecting', 'live']);
  });

  it('leaves as it is, also as its host, what has ended or never was', async () => {
    const stranger = new World({ hosts: true, admission: 'absent' });
    stranger.socket.closed('refused');
    const world = new World({ hosts: true });
    await world.goLive();
    world.admission = 'absent';
    world.say({ type: 'session_ended', reason: 'ended_by_host' });
    await pass(6 * 60_000);
    expect(stranger.sockets).toHaveLength(1);
    expect(world.sockets).toHaveLength(1);
  });

  it('says in the end that the session is not there', async () => {
    const world = new World();
    await world.goLive();
    world.admission = 'absent';
    world.socket.closed('lost');
    await pass(6 * 60_000);
    expect(world.phase).toBe('not-found');
  });

  it('shows that the host is away, and the picture when it goes on in the same slot', async () => {
    const world = new World();
    await world.goLive();
    world.say({ type: 'broadcast_stopped', user_id: 'h', username: 'Ada' });
    expect(world.phase).toBe('waiting');
    await pass(10_000);
    world.say({ type: 'broadcast_started', user_id: 'h', username: 'Ada' });
    await pass(2_000);
    expect(world.phase, 'frames from before do not count').toBe('connecting');
    await world.play(300);
    expect(world.phase).toBe('live');
    expect(world.sockets).toHaveLength(1);
  });

  it('notices a picture that stops without a word', async () => {
    const world = new World();
    await world.goLive();
    await pass(5_000);
    expect(world.phase).toBe('waiting');
    await world.play(1_200);
    expect(world.phase).toBe('live');
  });

  it('begins anew when the transport fails, or does not mend', async () => {
    const world = new World();
    await world.goLive();
    world.subscription.events.transport('failed');
    expect(world.phase).toBe('reconnecting');
    await pass(5_000);
    await world.goLive();
    world.subscription.events.transport('interrupted');
    await world.play(2_000);
    world.subscription.events.transport('connected');
    await world.play(6_000);
    expect(world.phase).toBe('live');
    world.subscription.events.transport('interrupted');
    await pass(4_500);
    expect(world.phase).toBe('reconnecting');
  });

  it('says that it is offline, and is back at once with the network', async () => {
    const world = new World();
    await world.goLive();
    world.online = false;
    world.admission = 'unreachable';
    world.connection.nudge();
    expect(world.socket.probes).toBe(1);
    world.socket.closed('lost');
    expect(world.phase).toBe('offline');
    await pass(60_000);
    world.online = true;
    world.admission = 'granted';
    world.connection.nudge();
    await pass(0);
    await world.goLive();
    expect(world.phases).toEqual(['connecting', 'live', 'offline', 'reconnecting', 'live']);
  });

  it('says that it is over, and goes in again when the host does', async () => {
    const world = new World();
    await world.goLive();
    world.admission = 'absent';
    world.say({ type: 'session_ended', reason: 'ended_by_host' });
    expect(world.phase).toBe('ended');
    await pass(60_000);
    expect(world.phase).toBe('ended');
    world.admission = 'granted';
    await pass(16_000);
    await world.goLive();
    expect(world.phases).toEqual(['connecting', 'live', 'ended', 'connecting', 'live']);
  });

  it('takes the end of a server that drains for an interruption', async () => {
    const world = new World();
    await world.goLive();
    world.say({ type: 'session_ended', reason: 'server_shutdown' });
    expect(world.phase).toBe('reconnecting');
  });
});

describe('being sent away', () => {
  it('says who did it and why, and stays away', async () => {
    const world = new World();
    await world.goLive();
    world.say({ type: 'kicked', by: 'Ada', reason: 'Be kind.' });
    expect(world.phase).toBe('expelled');
    expect(world.facts?.expulsion).toEqual({ by: 'Ada', reason: 'Be kind.' });
    world.connection.nudge();
    await pass(60_000);
    expect(world.sockets).toHaveLength(1);
    expect(world.socket.left).toBe(true);
  });

  it.each(['expelled', 'replaced'] as const)('does not come back from being %s', async (why) => {
    const world = new World();
    await world.goLive();
    world.socket.closed(why);
    world.connection.nudge();
    await pass(60_000);
    expect(world.phase).toBe(why);
    expect(world.sockets).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps the reason of the end', async () => {
    const world = new World();
    await world.goLive();
    world.admission = 'absent';
    world.say({ type: 'session_ended', reason: 'host_left' });
    expect(world.facts?.endReason).toBe('host_left');
  });
});

describe('leaving', () => {
  it('frees everything and stays away', async () => {
    const world = new World();
    await world.goLive();
    world.connection.close();
    world.connection.nudge();
    await pass(60_000);
    expect(world.socket.left).toBe(true);
    expect(world.subscription.closed).toBe(true);
    expect(world.sockets).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not come back from a question that was still open', async () => {
    const world = new World();
    await world.goLive();
    world.socket.closed('lost');
    await pass(170);
    world.connection.close();
    await pass(60_000);
    expect(world.sockets.length).toBeLessThanOrEqual(2);
    expect(world.sockets.every((socket, index) => index === 0 || socket.left)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
