import { describe, expect, it } from 'vitest';
import { FIRST_FACTS, type Facts, type Phase, phaseOf } from './phase';

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
    ['a codec that the browser does not have', { ...IN, unplayableCodec: 'H264' }, 'unsupported'],
    ['that codec, with nobody on air', { ...IN, unplayableCodec: 'H264', onAir: false }, 'waiting'],
  ])('%s', (_, facts, phase) => {
    expect(phaseOf(facts)).toBe(phase);
  });
});
