/**
 * Says that we take Opus in stereo (RFC 7587 §6.1). Chromium does not say so by itself, and then plays one channel.
 */
export function preferStereo(sdp: string): string {
  const payloadTypes = new Set([...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000\/2/gim)].map((match) => match[1]));
  return sdp.replace(/^a=fmtp:(\d+) (.*)$/gm, (line, payloadType: string, parameters: string) => {
    const ours = payloadTypes.has(payloadType) && !/(^|;)\s*stereo=/.test(parameters);
    return ours
      ? line.replace(parameters, `${parameters.trimEnd()};stereo=1${/\r$/.test(parameters) ? '\r' : ''}`)
      : line;
  });
}

/** Codecs that the server forwards (`sfu/src/codec.rs`), and what carries them once more: RED of sound (RFC 2198), RTX (RFC 4588). */
const FORWARDED = /^(opus\/48000|red\/48000|VP8\/|VP9\/|H264\/|AV1\/|rtx\/)/i;

/** Header extensions that the server writes for whoever watches. */
const WRITTEN =
  /^(urn:ietf:params:rtp-hdrext:(sdes:mid|ssrc-audio-level)|urn:3gpp:video-orientation|.*transport-wide-cc-extensions-01|.*abs-capture-time)$/;

/** What is the same for all sections, as they share one transport (RFC 9143). */
const OF_TRANSPORT = /^(c=|a=(ice-ufrag|ice-pwd|ice-options|fingerprint|setup):)/;

/** Nothing that the server answers to or goes by. It is ICE-lite, and learns our candidates from our checks (RFC 8445 §7.3.1.3). */
const SUPERFLUOUS =
  /^a=(candidate:|end-of-candidates|rtcp:|rtcp-rsize|rtcp-xr:|rtcp-fb:\d+ (goog-remb|ccm fir)|ssrc:|msid:)/;

/**
 * A receiving offer without what the server has no use for, which is four fifths of a browser's: formats that nobody forwards or
 * that another one covers, extensions that it does not write, and for each section once more what holds for all. A frame holds
 * 64 KiB, which a room of ten pictures with sound fills otherwise.
 *
 * It is for sending alone. The answer takes of an offer what it likes (RFC 3264 §6), so that it fits the whole one too.
 */
export function withoutSurplus(sdp: string): string {
  const [session = '', ...sections] = sdp
    .split(/^(?=m=)/m)
    .map((part) => part.split(/\r?\n/).filter((line) => line !== ''));
  const transports = sections.map((lines) => lines.filter((line) => OF_TRANSPORT.test(line)));
  if (sections.length === 0) {
    return sdp;
  }
  const [first = []] = transports;
  const isShared = transports.every((lines) => lines.join() === first.join());
  const shared = isShared ? first : [];
  const kept = sections.map((lines) => usedLines(lines).filter((line) => !shared.includes(line)));
  return [...withTransport([...session], shared), ...kept.flat(), ''].join('\r\n');
}

/** The session's part with what holds for all sections; `c=` stands before the time (RFC 8866 §5). */
function withTransport(session: string[], shared: string[]): string[] {
  const time = session.findIndex((line) => line.startsWith('t='));
  const connection = shared.filter((line) => line.startsWith('c='));
  return [
    ...session.slice(0, time),
    ...connection,
    ...session.slice(time),
    ...shared.filter((line) => !line.startsWith('c=')),
  ];
}

function usedLines(section: string[]): string[] {
  const formats = usedFormats(section);
  // Nobody reports on retransmissions but along with what they repair.
  const repairs = new Set(section.flatMap((line) => /^a=rtpmap:(\d+) rtx\//i.exec(line)?.[1] ?? []));
  return section
    .filter((line) => !SUPERFLUOUS.test(line))
    .filter((line) => {
      const extension = /^a=extmap:\S+ (\S+)/.exec(line)?.[1];
      return extension === undefined || WRITTEN.test(extension);
    })
    .filter((line) => {
      const [, attribute, payloadType] = /^a=(rtpmap|fmtp|rtcp-fb):(\d+) /.exec(line) ?? [];
      return (
        payloadType === undefined ||
        (formats.has(payloadType) && (attribute !== 'rtcp-fb' || !repairs.has(payloadType)))
      );
    })
    .map((line) => (line.startsWith('m=') ? ofFormats(line, formats) : line));
}

function ofFormats(line: string, formats: Set<string>): string {
  const [kind = '', port = '', protocol = '', ...payloadTypes] = line.split(' ');
  return [kind, port, protocol, ...payloadTypes.filter((payloadType) => formats.has(payloadType))].join(' ');
}

/** Payload types that the server may send by; all of the section where it would be none. */
function usedFormats(section: string[]): Set<string> {
  const codecs = new Map<string, string>();
  const parameters = new Map<string, string>();
  for (const line of section) {
    const [, name, payloadType = '', value = ''] = /^a=(rtpmap|fmtp):(\d+) (.*)$/.exec(line) ?? [];
    if (name !== undefined) (name === 'rtpmap' ? codecs : parameters).set(payloadType, value);
  }
  const all = [...codecs.keys()];
  const isUsed = (payloadType: string) =>
    FORWARDED.test(codecs.get(payloadType) ?? '') && isTaken(parameters.get(payloadType) ?? '');
  const protects = (payloadType: string) => /^apt=(\d+)/.exec(parameters.get(payloadType) ?? '')?.[1];
  const baseline = all.some(
    (payloadType) => isUsed(payloadType) && CONSTRAINED_BASELINE.test(parameters.get(payloadType) ?? ''),
  );
  const isCovered = (payloadType: string) => baseline && PLAIN_BASELINE.test(parameters.get(payloadType) ?? '');
  const media = all.filter(
    (payloadType) => isUsed(payloadType) && !isCovered(payloadType) && protects(payloadType) === undefined,
  );
  if (!media.some((payloadType) => !/^red\//i.test(codecs.get(payloadType) ?? ''))) {
    return new Set(section[0]?.split(' ').slice(3));
  }
  return new Set([...media, ...all.filter((payloadType) => media.includes(protects(payloadType) ?? ''))]);
}

const CONSTRAINED_BASELINE = /profile-level-id=42[ce]0/i;
/** Which no encoder goes beyond the constrained one with. */
const PLAIN_BASELINE = /profile-level-id=4200/i;

/**
 * Whether the parameters are of a format that is forwarded: of VP9 and AV1 the main profile; of H.264 no 4:4:4, and packetization
 * mode 1, which takes what is sent in mode 0 as well (RFC 6184 §6.3).
 */
function isTaken(parameters: string): boolean {
  const [, profile = '0'] = /(?:^|;)\s*profile(?:-id)?=(\d+)/.exec(parameters) ?? [];
  const isH264 = /profile-level-id=/.test(parameters);
  return (
    profile === '0' &&
    (!isH264 || (/packetization-mode=1/.test(parameters) && !/profile-level-id=f4/i.test(parameters)))
  );
}
