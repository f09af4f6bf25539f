/**
 * Has the sound of some media sections sent in stereo: Opus is encoded in one channel unless the answer asks for two
 * (RFC 7587 §6.1). Speech stays in one.
 *
 * @param mids - of the sections
 */
export function inStereo(answer: string, mids: ReadonlySet<string>): string {
  return answer
    .split(/(?=^m=)/m)
    .map((section) => {
      const mid = section.match(/^a=mid:(\S+)/m)?.[1];
      return mid !== undefined && mids.has(mid) ? sectionInStereo(section) : section;
    })
    .join('');
}

function sectionInStereo(section: string): string {
  const payloadType = section.match(/^a=rtpmap:(\d+) opus\/48000\/2/im)?.[1];
  if (payloadType === undefined) {
    return section;
  }
  const format = new RegExp(`^(a=fmtp:${payloadType} )([^\\r\\n]*)`, 'm');
  const parameters = section.match(format)?.[2];
  if (parameters === undefined) {
    const mapped = new RegExp(`^(a=rtpmap:${payloadType} [^\\r\\n]*)(\\r?\\n)`, 'm');
    return section.replace(mapped, `$1$2a=fmtp:${payloadType} stereo=1$2`);
  }
  return /(^|;)\s*stereo=1/.test(parameters)
    ? section
    : section.replace(format, (_, start: string) => `${start}${withStereo(parameters)}`);
}

function withStereo(parameters: string): string {
  const others = parameters.split(';').filter((one) => !/^\s*stereo=/.test(one) && one.trim() !== '');
  return [...others, 'stereo=1'].join(';');
}
