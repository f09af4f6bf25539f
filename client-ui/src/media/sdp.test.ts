import { describe, expect, it } from 'vitest';
import { preferStereo, withoutSurplus } from './sdp';

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

/** As Chromium writes it, shortened where lines of one sort follow each other. */
const RECEIVING = `v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:pqXl
a=ice-pwd:Z5QMxJPloiGUNowGpdAjvTay
a=fingerprint:sha-256 00:EA
a=setup:actpass
a=mid:0
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=recvonly
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:126 telephone-event/8000
m=video 9 UDP/TLS/RTP/SAVPF 96 97 100 101 102 103 104 107 108 109 41 45 47 118 119
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:pqXl
a=ice-pwd:Z5QMxJPloiGUNowGpdAjvTay
a=fingerprint:sha-256 00:EA
a=setup:actpass
a=mid:1
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=recvonly
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=rtcp-fb:97 transport-cc
a=fmtp:97 apt=96
a=candidate:1 1 udp 2130706431 192.0.2.2 43172 typ host
a=end-of-candidates
a=rtpmap:100 VP9/90000
a=fmtp:100 profile-id=2
a=rtpmap:101 rtx/90000
a=fmtp:101 apt=100
a=rtpmap:102 H264/90000
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:103 rtx/90000
a=fmtp:103 apt=102
a=rtpmap:104 H264/90000
a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f
a=rtpmap:107 rtx/90000
a=fmtp:107 apt=104
a=rtpmap:108 H264/90000
a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:109 rtx/90000
a=fmtp:109 apt=108
a=rtpmap:41 H264/90000
a=fmtp:41 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=f4001f
a=rtpmap:45 AV1/90000
a=fmtp:45 level-idx=5;profile=0;tier=0
a=rtpmap:47 AV1/90000
a=fmtp:47 level-idx=5;profile=1;tier=0
a=rtpmap:118 red/90000
a=rtpmap:119 rtx/90000
a=fmtp:119 apt=118
`.replaceAll('\n', '\r\n');

describe('withoutSurplus', () => {
  const left = withoutSurplus(RECEIVING).split('\r\n');

  it('keeps the formats that are forwarded, each with its retransmissions', () => {
    expect(left.filter((line) => line.startsWith('m='))).toEqual([
      'm=audio 9 UDP/TLS/RTP/SAVPF 111 63',
      'm=video 9 UDP/TLS/RTP/SAVPF 96 97 108 109 45',
    ]);
    const named = left.flatMap((line) => /^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /.exec(line)?.[1] ?? []);
    expect([...new Set(named)]).toEqual(['111', '63', '96', '97', '108', '109', '45']);
  });

  it('says once what holds for all sections, where it may stand', () => {
    expect(left.slice(0, 9)).toEqual([
      'v=0',
      'o=- 1 2 IN IP4 127.0.0.1',
      's=-',
      'c=IN IP4 0.0.0.0',
      't=0 0',
      'a=group:BUNDLE 0 1',
      'a=ice-ufrag:pqXl',
      'a=ice-pwd:Z5QMxJPloiGUNowGpdAjvTay',
      'a=fingerprint:sha-256 00:EA',
    ]);
    expect(left.filter((line) => /ice-ufrag|fingerprint|setup/.test(line))).toHaveLength(3);
  });

  it('leaves it where it stands if the sections differ', () => {
    const other = RECEIVING.replace('ice-ufrag:pqXl', 'ice-ufrag:abcd');
    expect(withoutSurplus(other).match(/a=ice-ufrag:(abcd|pqXl)/g)).toEqual(['a=ice-ufrag:abcd', 'a=ice-ufrag:pqXl']);
  });

  it('keeps what the server goes by of the rest', () => {
    expect(left.filter((line) => /extmap|rtcp|mid|recvonly|candidate/.test(line))).toEqual([
      'a=mid:0',
      'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
      'a=recvonly',
      'a=rtcp-mux',
      'a=rtcp-fb:111 transport-cc',
      'a=mid:1',
      'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
      'a=recvonly',
      'a=rtcp-fb:96 nack',
      'a=rtcp-fb:96 nack pli',
    ]);
  });

  it('leaves a section alone of which it would take everything', () => {
    const none = RECEIVING.replace(/opus\/48000\/2|red\/48000\/2/g, 'G722/8000');
    expect(withoutSurplus(none)).toContain('m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 126');
  });

  it('has nothing to say of what has no sections', () => {
    expect(withoutSurplus('offer')).toBe('offer');
  });

  it('changes nothing more the second time', () => {
    expect(withoutSurplus(withoutSurplus(RECEIVING))).toBe(withoutSurplus(RECEIVING));
  });
});
