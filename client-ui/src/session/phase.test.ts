import { describe, expect, it } from 'vitest';
import { FIRST_FACTS, type Facts, type Phase, isOver, phaseOf } from './phase';
import { BLOCKED, REMOVED, type Refusal } from './refusal';

const START = FIRST_FACTS;
const IN: Facts = { ...START, link: 'open', onAir: true, flow: 'flowing' };

describe('phaseOf', () => {
  it.each<[string, Facts, Phase]>([
    ['the first visit', START, 'connecting'],
    ['a session where nobody is on air', { ...IN, onAir: false }, 'waiting'],
    ['media on its way', { ...IN, flow: 'none' }, 'connecting'],
    ['media on its way again', { ...IN, flow: 'none', lost: true }, 'reconnecting'],
    ['media that plays', IN, 'live'],
    ['a picture that stopped coming', { ...IN, flow: 'stalled' }, 'waiting'],
    ['a server that went away', { ...IN, link: 'down', lost: true }, 'reconnecting'],
    ['a server that came back and has not heard from the host', { ...IN, link: 'absent', lost: true }, 'reconnecting'],
    ['a server that cannot be reached at first', { ...START, link: 'down' }, 'connecting'],
    ['a wrong address', { ...START, link: 'absent' }, 'not-found'],
    ['a session that is full', { ...START, link: 'refused' }, 'refused'],
    ['a refusal that was heard before the network went away', { ...START, link: 'refused', online: false }, 'offline'],
    ['no network', { ...IN, link: 'down', online: false }, 'offline'],
    ['a connection that outlives what the system thinks of the network', { ...IN, online: false }, 'live'],
    ['somebody who was sent away', { ...IN, link: 'expelled', online: false }, 'expelled'],
    ['somebody who came in again elsewhere', { ...IN, link: 'replaced' }, 'replaced'],
    ['the end', { ...IN, link: 'ended' }, 'ended'],
    ['a browser without WebRTC', { ...START, engineWorks: false }, 'unsupported'],
    ['a mesh in an app that cannot be part of one', { ...IN, flow: 'none', meshless: true }, 'unsupported'],
    ['the same before anybody is on air', { ...IN, onAir: false, meshless: true }, 'unsupported'],
    ['a server that went away from it', { ...IN, link: 'down', lost: true, meshless: true }, 'reconnecting'],
    ['a codec that the browser does not have', { ...IN, unplayableCodec: 'H264' }, 'unsupported'],
    ['that codec, with nobody on air', { ...IN, unplayableCodec: 'H264', onAir: false }, 'waiting'],
  ])('%s', (_, facts, phase) => {
    expect(phaseOf(facts)).toBe(phase);
  });
});

describe('isOver', () => {
  const refused = (refusal: Refusal): Facts => ({ ...IN, link: 'refused', refusal });

  it.each<[string, Facts, boolean]>([
    ['the stream itself', IN, false],
    ['a connection that is being restored', { ...IN, link: 'down', lost: true }, false],
    ['the end', { ...IN, link: 'ended' }, true],
    ['somebody who was sent away', { ...IN, link: 'expelled' }, true],
    ['somebody who came in again elsewhere', { ...IN, link: 'replaced' }, true],
    ['a key that has expired', refused({ code: 'token_expired', message: '' }), true],
    ['somebody who must not come back', refused({ code: REMOVED, message: '' }), true],
    ['a proxy that is in the way', refused(BLOCKED), false],
    ['a session that is full', refused({ code: 'session_full', message: '' }), false],
  ])('%s', (_, facts, over) => {
    expect(isOver(facts)).toBe(over);
  });
});
