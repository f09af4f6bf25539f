const H264 = 'video/H264';

/**
 * Offers H.264 before all other codecs, where the browser can send it (W3C WebRTC §5.4, `setCodecPreferences`). It is a wish: a
 * browser that cannot be told, as Firefox before 128, sends what it likes.
 */
export function preferH264(section: RTCRtpTransceiver): void {
  // The app's own connections have one codec, and no such list.
  const codecs = 'RTCRtpSender' in globalThis ? (RTCRtpSender.getCapabilities('video')?.codecs ?? []) : [];
  const preferred = codecs.filter(({ mimeType }) => mimeType === H264);
  if (preferred.length > 0) {
    try {
      section.setCodecPreferences([...preferred, ...codecs.filter((codec) => !preferred.includes(codec))]);
    } catch {
      // Its own order stays.
    }
  }
}
