import { describe, expect, it } from 'vitest';
import { contentsIn, withContents } from './contents';

const SDP = [
  'v=0',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=mid:0',
  'a=sendonly',
  'm=video 9 UDP/TLS/RTP/SAVPF 96',
  'a=sendonly',
  'a=mid:screen',
  'm=video 9 UDP/TLS/RTP/SAVPF 96',
  'a=mid:2',
  '',
].join('\r\n');

describe('contents', () => {
  it('are read as they were written, and nothing else is changed', () => {
    const contents = new Map([
      ['0', 'main'],
      ['screen', 'slides'],
    ] as const);
    const said = withContents(SDP, contents);
    expect(contentsIn(said)).toEqual(contents);
    expect(said.split('\r\n').filter((line) => !line.startsWith('a=content:'))).toEqual(SDP.split('\r\n'));
    expect(said).toContain('a=mid:screen\r\na=content:slides\r\n');
  });

  it('are none where nobody says so, or something else', () => {
    expect(contentsIn(SDP).size).toBe(0);
    expect(contentsIn('v=0\r\na=content:main\r\nm=audio\r\na=mid:0\r\na=content:sl\r\n').size).toBe(0);
  });
});
