import { describe, expect, it } from 'vitest';
import { FIRST_FACTS, type Facts, type Phase } from '../session/phase';
import { stateWords } from './state-words';

const FACTS: Facts = { ...FIRST_FACTS, link: 'open' };

describe('stateWords', () => {
  it('calls the host by name, where there is one', () => {
    expect(stateWords('waiting', FACTS, 'Ada').headline).toBe('Waiting for Ada');
    expect(stateWords('waiting', FACTS, '').headline).toBe('Waiting for the host');
    expect(stateWords('waiting', FACTS, 'Anonymous').headline).toBe('Waiting for the host');
  });

  it('tells a host who stopped from a host whose picture does not arrive', () => {
    const stopped = stateWords('waiting', FACTS, 'Ada').explanation;
    expect(stateWords('waiting', { ...FACTS, onAir: true, flow: 'stalled' }, 'Ada').explanation).not.toBe(stopped);
  });

  it('names the codec that the browser does not have, as people write it', () => {
    const words = stateWords('unsupported', { ...FACTS, unplayableCodec: 'H264' }, 'Ada');
    expect(words.headline).toBe('This browser cannot play H.264');
  });

  it('does not blame a browser where an app cannot be part of a mesh', () => {
    const words = stateWords('unsupported', { ...FACTS, meshless: true }, 'Ada');
    expect(words.headline).toBe('This app cannot show this stream');
    expect(words.explanation).toMatch(/Open the stream’s link in a browser/);
  });

  it('says who sent somebody away, and why', () => {
    const facts: Facts = { ...FACTS, link: 'expelled', expulsion: { by: 'Ada', reason: 'Be kind.' } };
    expect(stateWords('expelled', facts, 'Ada').explanation).toMatch(/^Ada has .*Be kind\.$/);
    expect(stateWords('expelled', FACTS, 'Ada').explanation).toMatch(/^The host has/);
  });

  it('tells a host who ended the stream from one who was lost', () => {
    const lost = stateWords('ended', { ...FACTS, endReason: 'host_left' }, 'Ada').explanation;
    expect(lost).toContain('did not come back');
    expect(stateWords('ended', { ...FACTS, endReason: 'ended_by_host' }, 'Ada').explanation).not.toBe(lost);
  });

  it('does not tell a host about themselves as if they watched', () => {
    for (const reason of ['ended_by_host', 'host_left', 'idle'] as const) {
      const words = stateWords('ended', { ...FACTS, endReason: reason }, 'Ada', true);
      expect(words.headline).toBe('Your stream has ended');
      expect(words.explanation, reason).not.toMatch(/thank you|the host/i);
      expect(words.ways).toContain('anew');
    }
    expect(stateWords('waiting', FACTS, 'Ada', true).headline).not.toContain('Ada');
    expect(stateWords('reconnecting', { ...FACTS, link: 'absent' }, 'Ada', true).explanation).not.toContain('Ada');
  });

  it('says what happens next in every state that is not the stream itself or a moment', () => {
    const phases: Phase[] = [
      'waiting',
      'reconnecting',
      'ended',
      'not-found',
      'offline',
      'unsupported',
      'expelled',
      'replaced',
      'refused',
    ];
    for (const phase of phases) {
      expect(stateWords(phase, FACTS, 'Ada').explanation, phase).not.toBe('');
    }
  });
});
