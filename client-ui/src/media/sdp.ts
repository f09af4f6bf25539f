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
