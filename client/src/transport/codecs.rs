//! The codecs of both directions, as the engine is told of them.

use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_AV1, MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MIME_TYPE_VP9,
};
use rtc::rtp_transceiver::rtp_sender::{RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters};

/// Video's RTP clock, in hertz (RFC 6184 §8.2.1).
pub(crate) const VIDEO_RATE: u32 = 90_000;

/// Opus' RTP clock, in hertz, whatever its audio bandwidth (RFC 7587 §4.1).
pub(crate) const AUDIO_RATE: u32 = 48_000;

/// 20 ms stereo packets with in-band FEC (RFC 7587 §6.1).
const OPUS_FORMAT: &str = "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1";

/// H.264 with `format` as its parameters (RFC 6184 §8.1).
pub(crate) fn h264(payload_type: u8, format: &str) -> RTCRtpCodecParameters {
    video(MIME_TYPE_H264, payload_type, format)
}

/// VP8 (RFC 7741 §6.1).
pub(crate) fn vp8(payload_type: u8) -> RTCRtpCodecParameters {
    video(MIME_TYPE_VP8, payload_type, "")
}

/// VP9 of profile 0 (RFC 9628 §6).
pub(crate) fn vp9(payload_type: u8) -> RTCRtpCodecParameters {
    video(MIME_TYPE_VP9, payload_type, "profile-id=0")
}

/// AV1 of the main profile (RTP Payload Format For AV1 §7.2). The level is the one that browsers offer, whatever they decode: str0m
/// takes no other.
pub(crate) fn av1(payload_type: u8) -> RTCRtpCodecParameters {
    video(MIME_TYPE_AV1, payload_type, "level-idx=5;profile=0;tier=0")
}

fn video(mime_type: &str, payload_type: u8, format: &str) -> RTCRtpCodecParameters {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback {
        typ: typ.to_owned(),
        parameter: parameter.to_owned(),
    };
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: mime_type.to_owned(),
            clock_rate: VIDEO_RATE,
            channels: 0,
            sdp_fmtp_line: format.to_owned(),
            rtcp_feedback: vec![feedback("ccm", "fir"), feedback("nack", ""), feedback("nack", "pli")],
        },
        payload_type,
    }
}

/// Retransmissions of what travels as `repaired` (RFC 4588 §8.6).
pub(crate) fn rtx(payload_type: u8, repaired: u8) -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_RTX.to_owned(),
            clock_rate: VIDEO_RATE,
            channels: 0,
            sdp_fmtp_line: format!("apt={repaired}"),
            rtcp_feedback: Vec::new(),
        },
        payload_type,
    }
}

/// Opus in stereo (RFC 7587 §7).
pub(crate) fn opus(payload_type: u8) -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: AUDIO_RATE,
            channels: 2,
            sdp_fmtp_line: OPUS_FORMAT.to_owned(),
            rtcp_feedback: Vec::new(),
        },
        payload_type,
    }
}
