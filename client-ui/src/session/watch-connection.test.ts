import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ServerEvent } from '../protocol/bindings';
import { RELAY_AFTER_MS, relay } from '../media/relay';
import { welcome } from './fixtures';
import { SILENT_AFTER_MS } from './silence';
import { World, pass } from './watch-connection.world';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('joining', () => {
  it('has its offer ready before the signaling opens, sends it once and plays', async () => {
    const world = new World();
    expect(world.subscriptions).toHaveLength(1);
    await world.goLive();
    expect(world.socket.sent).toEqual([
      { action: 'webrtc_signal', connection: 'subscribe', signal_type: 'offer', signal_data: { sdp: 'offer' } },
    ]);
    expect(world.subscription.answers).toEqual(['answer']);
    expect(world.phases).toEqual(['connecting', 'live']);
  });

  it('is live with the first frame that the page presents, before any counter is read', async () => {
    const world = new World();
    await world.enter();
    expect(world.phase).toBe('connecting');
    world.connection.framePresented();
    expect(world.phase).toBe('live');
    await pass(500);
    expect(world.phase).toBe('live');
  });

  it('asks whether the server is still there as soon as no media arrives, and once', async () => {
    const world = new World();
    await world.enter();
    await pass(2_000);
    expect(world.socket.probes).toBe(0);
    for (let packet = 1; packet <= 10; packet += 1) {
      world.subscription.arrived = packet;
      await pass(SILENT_AFTER_MS - 100);
    }
    expect(world.socket.probes).toBe(0);
    await pass(SILENT_AFTER_MS + 200);
    expect(world.socket.probes).toBe(1);
    await pass(2_000);
    expect(world.socket.probes).toBe(1);
    world.subscription.arrived = 11;
    await pass(SILENT_AFTER_MS + 200);
    expect(world.socket.probes).toBe(2);
  });

  it('tries the relays where no media gets through, and takes them at once from then on', async () => {
    const world = new World();
    const servers = [{ urls: ['turns:example.org'], username: 'ann', credential: 'secret' }];
    world.socket.opened();
    world.say(welcome({ ice_servers: servers }));
    await pass(0);
    world.answer('answer');
    await pass(RELAY_AFTER_MS - 1);
    expect(world.subscription.detours).toEqual([]);
    await pass(1);
    expect(world.subscription.detours).toEqual([{ iceServers: servers }]);
    expect(world.socket.sent.at(-1)).toMatchObject({ signal_data: { sdp: 'offer of a detour' } });
    world.answer('second answer');
    await pass(0);
    expect(relay.configuration).toEqual({});
    world.subscription.events.transport('connected');
    expect(relay.configuration).toEqual({ iceServers: servers });
    expect(world.subscriptions).toHaveLength(1);
    relay.told([]);
    relay.networkChanged();
  });

  it('tries them at once where the direct ways have failed, and leaves them out where those lead somewhere', async () => {
    const servers = [{ urls: ['turns:example.org'], username: 'ann', credential: 'secret' }];
    const stuck = new World();
    stuck.socket.opened();
    stuck.say(welcome({ ice_servers: servers }));
    await pass(0);
    stuck.answer('answer');
    await pass(0);
    stuck.subscription.events.transport('failed');
    expect(stuck.subscription.detours).toHaveLength(1);
    stuck.connection.close();

    const world = new World();
    await world.enter();
    relay.told(servers);
    await pass(2 * RELAY_AFTER_MS);
    expect(world.subscription.detours).toEqual([]);
    relay.told([]);
  });

  it('waits where nobody is on air, and plays when somebody is', async () => {
    const world = new World();
    await world.enter(null);
    expect(world.phase).toBe('waiting');
    world.say({ type: 'broadcast_started', user_id: 'h', username: 'Ada' });
    expect(world.phase).toBe('connecting');
    await world.play(1_200);
    expect(world.phase).toBe('live');
  });

  it('says that there is no such session, and goes in when there is', async () => {
    const world = new World({ admission: 'absent' });
    world.socket.closed('refused');
    await pass(0);
    expect(world.phase).toBe('not-found');
    world.admission = 'granted';
    await pass(15_000);
    expect(world.sockets).toHaveLength(2);
    await world.goLive();
  });

  it('keeps trying a server that cannot be reached', async () => {
    const world = new World({ admission: 'unreachable' });
    world.socket.closed('refused');
    await pass(30_000);
    expect(world.phases).toEqual(['connecting']);
    world.admission = 'granted';
    await pass(5_000);
    await world.goLive();
  });

  it('says that a session is full, and goes in when it is not any more', async () => {
    const full = { code: 'session_full', message: 'This session is full.' };
    const world = new World({ admission: full });
    world.socket.closed('refused');
    await pass(0);
    expect(world.phase).toBe('refused');
    expect(world.facts?.refusal).toEqual(full);
    await pass(5_000);
    expect(world.sockets).toHaveLength(2);
    world.socket.closed('refused');
    await pass(0);
    expect(world.phase).toBe('refused');
    await pass(5_000);
    await world.goLive();
  });

  it('goes in at once when it is told to try again', async () => {
    const world = new World({ admission: { code: 'session_full', message: '' } });
    world.socket.closed('refused');
    await pass(0);
    world.admission = 'granted';
    world.connection.nudge();
    await pass(0);
    expect(world.sockets).toHaveLength(2);
  });

  it.each(['removed', 'token_expired', 'token_other_session'])('asks no more after %s', async (code) => {
    const world = new World({ admission: { code, message: '' } });
    world.socket.closed('refused');
    await pass(0);
    expect(world.phase).toBe('refused');
    expect(vi.getTimerCount()).toBe(0);
    world.admission = 'granted';
    world.connection.nudge();
    await pass(60_000);
    expect(world.sockets).toHaveLength(1);
  });

  it('tells a way that is blocked from a place that was freed a moment too late', async () => {
    const world = new World();
    world.socket.closed('refused');
    await pass(0);
    expect(world.phase).toBe('connecting');
    await pass(1_000);
    world.socket.closed('refused');
    await pass(0);
    expect(world.facts?.refusal?.code).toBe('websocket_blocked');
    await pass(5_000);
    expect(world.sockets.length).toBeGreaterThan(2);
    await world.goLive();
  });

  it('tries again after an answer that makes no sense', async () => {
    const world = new World();
    world.socket.opened();
    world.answer('nonsense');
    await pass(5_000);
    expect(world.subscriptions[0]?.closed).toBe(true);
    expect(world.subscriptions).toHaveLength(2);
  });

  it('tries again where the media never connects', async () => {
    const world = new World();
    world.socket.opened();
    await pass(20_000);
    expect(world.sockets[0]?.left).toBe(true);
    expect(world.sockets.length).toBeGreaterThan(1);
  });

  it('does nothing at all in a browser without WebRTC', async () => {
    const world = new World({ works: false });
    world.connection.nudge();
    await pass(60_000);
    expect(world.phases).toEqual(['unsupported']);
    expect(world.sockets).toHaveLength(0);
  });

  it.each([
    ['mesh', true, 'unsupported'],
    ['mesh', false, 'connecting'],
    ['sfu', true, 'connecting'],
  ] as const)(
    'in a session by %s, with an engine that can be part of no mesh: %s',
    async (topology, meshless, phase) => {
      const world = new World({ meshless });
      world.socket.opened();
      world.say(welcome({ topology }));
      await pass(0);
      expect(world.phase).toBe(phase);
    },
  );

  it('names a codec that the browser does not have, and plays the next stream in another', async () => {
    const world = new World({ codecs: ['VP8', 'VP9'] });
    await world.enter();
    await pass(0);
    expect(world.phase).toBe('unsupported');
    world.say({ type: 'broadcast_stopped', user_id: 'h', username: 'Ada' });
    world.codecsOnAir = ['VP8'];
    world.say({ type: 'broadcast_started', user_id: 'h', username: 'Ada' });
    await world.play(1_200);
    expect(world.phase).toBe('live');
  });
});

describe('pictures that nobody sees', () => {
  it('are not missed, and have time to come when somebody looks again', async () => {
    const world = new World();
    await world.goLive();
    world.connection.expectPictures(false);
    await pass(60_000);
    expect(world.phases).toEqual(['connecting', 'live']);
    world.connection.expectPictures(true);
    await pass(2_000);
    expect(world.phase).toBe('live');
    await world.play(2_000);
    expect(world.phases).toEqual(['connecting', 'live']);
  });

  it('are missed when they do not come to somebody who looks', async () => {
    const world = new World();
    await world.goLive();
    world.connection.expectPictures(false);
    await pass(10_000);
    world.connection.expectPictures(true);
    await pass(6_000);
    expect(world.phase).toBe('waiting');
    await world.play(2_000);
    expect(world.phase).toBe('live');
  });

  it('are awaited without haste where there was none yet', async () => {
    const world = new World();
    await world.enter();
    world.connection.expectPictures(false);
    await pass(10_000);
    expect(world.phase).toBe('connecting');
    world.connection.expectPictures(true);
    await world.play(300);
    expect(world.phase).toBe('live');
  });
});

describe('codecs that are not there', () => {
  it('names one where there is no other on air, H.264 or not', async () => {
    const world = new World();
    world.codecsOnAir = ['AV1'];
    await world.enter();
    await pass(0);
    expect(world.phase).toBe('unsupported');
  });

  it('plays what it can where only some are missing', async () => {
    const world = new World();
    world.codecsOnAir = ['AV1', 'H264'];
    await world.enter();
    await world.play(1_200);
    expect(world.phase).toBe('live');
  });
});

describe('slots', () => {
  const guest: ServerEvent = { type: 'slots_wanted', audio: 2, video: 3 };

  it('offers more when there is more to see, on the same connection', async () => {
    const world = new World();
    await world.goLive();
    world.say(guest);
    await pass(0);
    expect(world.subscription.extensions).toEqual([{ audio: 2, video: 3 }]);
    expect(world.socket.sent.at(-1)).toMatchObject({ signal_type: 'offer', signal_data: { sdp: 'offer of 2 + 3' } });
    world.answer('second answer');
    await pass(20_000);
    expect(world.subscriptions).toHaveLength(1);
    expect(world.subscription.answers).toEqual(['answer', 'second answer']);
  });

  it('never has two offers out, and asks for the most that was wanted', async () => {
    const world = new World();
    await world.goLive();
    world.say(guest);
    world.say({ type: 'slots_wanted', audio: 5, video: 1 });
    world.say({ type: 'slots_wanted', audio: 4, video: 7 });
    await pass(0);
    expect(world.subscription.extensions).toHaveLength(1);
    world.answer('second answer');
    await pass(0);
    expect(world.subscription.extensions.at(-1)).toEqual({ audio: 5, video: 7 });
    world.answer('third answer');
    await pass(0);
    expect(world.subscription.extensions).toHaveLength(2);
  });

  it('waits for the first answer', async () => {
    const world = new World();
    world.socket.opened();
    world.say(welcome());
    world.say(guest);
    await pass(0);
    expect(world.subscription.extensions).toHaveLength(0);
    world.answer('answer');
    await pass(0);
    expect(world.subscription.extensions).toHaveLength(1);
  });

  it('is not made to offer without end', async () => {
    const world = new World();
    await world.goLive();
    world.say({ type: 'slots_wanted', audio: 1_000_000, video: 1_000_000 });
    await pass(0);
    expect(world.subscription.extensions).toEqual([{ audio: 32, video: 32 }]);
  });

  it('begins anew where a later offer is not answered, or is refused', async () => {
    const world = new World();
    await world.goLive();
    world.say(guest);
    await world.play(10_000);
    expect(world.subscriptions).toHaveLength(2);
    await world.goLive();
    world.say(guest);
    await pass(0);
    world.say({ type: 'error', code: 'bad_offer', message: 'no', action: 'webrtc_signal' });
    expect(world.phase).toBe('reconnecting');
  });

  it('does not take a refused publication for its own', async () => {
    const world = new World();
    await world.goLive();
    world.say({ type: 'error', code: 'not_allowed', message: 'viewers do not publish', action: 'webrtc_signal' });
    expect(world.phase).toBe('live');
    expect(world.heard.at(-1)).toBe('error');
  });

  it('does not take a refused publication for its own, even while it waits for an answer', async () => {
    const world = new World();
    await world.goLive();
    world.say(guest);
    await pass(0);
    world.say({ type: 'error', code: 'no_video', message: 'no', action: 'webrtc_signal', connection: 'publish' });
    expect(world.phase).toBe('live');
    world.say({ type: 'error', code: 'bad_offer', message: 'no', action: 'webrtc_signal', connection: 'subscribe' });
    expect(world.phase).toBe('reconnecting');
  });
});

describe('taking part', () => {
  it('sends while it is in, and says when it is not', async () => {
    const world = new World();
    await world.goLive();
    expect(world.connection.send({ action: 'request_guest' })).toBe(true);
    expect(world.room?.asked).toBe(true);
    world.socket.closed('lost');
    expect(world.connection.send({ action: 'chat', message: 'hello' })).toBe(false);
  });

  it('hands on every message but those of its own connection, and first the one that opens', async () => {
    const world = new World();
    await world.enter();
    world.say({
      type: 'webrtc_signal',
      session_id: 'show',
      connection: 'publish',
      to_user_id: 'v',
      signal_type: 'answer',
      signal_data: { sdp: 'for the publisher' },
    });
    world.say({ type: 'pong' });
    expect(world.heard).toEqual(['current_participants', 'webrtc_signal', 'pong']);
    expect(world.subscription.answers).toEqual(['answer']);
  });

  it('comes in anew under another name, and shows that as an interruption', async () => {
    const world = new World();
    await world.goLive();
    const [first] = world.sockets;
    world.connection.enterAnew();
    expect(first?.left).toBe(true);
    expect(world.sockets).toHaveLength(2);
    await world.goLive();
    expect(world.phases).toEqual(['connecting', 'live', 'reconnecting', 'live']);
  });

  it('does not miss a picture that everybody turned off', async () => {
    const world = new World();
    await world.goLive();
    world.say({ type: 'slot_assigned', mid: '1', user_id: 'h', kind: 'video', source: 'camera' });
    world.say({
      type: 'participant_media_changed',
      user_id: 'h',
      audio_enabled: false,
      video_enabled: false,
      audio_muted: false,
      video_muted: false,
    });
    await pass(10_000);
    expect(world.phase).toBe('live');
  });

  it('waits for no answer in a mesh, where media comes from elsewhere', async () => {
    const world = new World();
    world.socket.opened();
    world.say(welcome({ topology: 'mesh' }));
    world.say({ type: 'error', code: 'mesh', message: 'no SFU here', action: 'webrtc_signal' });
    await pass(30_000);
    expect(world.sockets).toHaveLength(1);
    world.connection.framePresented();
    expect(world.phase).toBe('live');
  });
});
