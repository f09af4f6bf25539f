import { describe, expect, it } from 'vitest';
import { preferStereo } from './sdp';

const offer = (opus: string) =>
  [
    'v=0',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111 63',
    'a=rtpmap:111 opus/48000/2',
    `a=fmtp:111 ${opus}`,
    'a=rtpmap:63 red/48000/2',
    'a=fmtp:63 111/111',
    'm=video 9 UDP/TLS/RTP/SAVPF 96',
    'a=rtpmap:96 H264/90000',
    'a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
    '',
  ].join('\r\n');

describe('preferStereo', () => {
  it('adds to the parameters of Opus and leaves every other line alone', () => {
    expect(preferStereo(offer('minptime=10;useinbandfec=1'))).toBe(offer('minptime=10;useinbandfec=1;stereo=1'));
  });

  it('respects what the browser already says', () => {
    expect(preferStereo(offer('maxplaybackrate=48000;stereo=1'))).toBe(offer('maxplaybackrate=48000;stereo=1'));
  });
});
