import { describe, expect, it } from 'vitest';
import type { Facts, Phase } from '../session/phase';
import { stateWords } from './state-words';

const FACTS: Facts = {
  engineWorks: true,
  unplayableCodec: null,
  online: true,
  link: 'open',
  onAir: false,
  flow: 'none',
  lost: false,
};

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

  it('says what happens next in every state that is not the stream itself or a moment', () => {
    const phases: Phase[] = ['waiting', 'reconnecting', 'ended', 'not-found', 'offline', 'unsupported'];
    for (const phase of phases) {
      expect(stateWords(phase, FACTS, 'Ada').explanation, phase).not.toBe('');
    }
  });
});
