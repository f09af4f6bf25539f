//! Which codecs are taken, and which payload type of a subscriber carries a publisher's format.

use str0m::RtcConfig;
use str0m::format::{Codec, CodecConfig, CodecSpec, PayloadParams};
use str0m::media::Pt;

/// H.264 (RFC 6184 §8.1): payload type, RTX payload type, packetization mode 1 or 0, profile-level-id. Constrained
/// baseline first, because every browser and phone encodes and decodes it in hardware; then what browsers offer
/// besides; last constrained high, without which Safari decodes constrained baseline alone. The numbers are only the
/// answerer's preference: an offer brings its own.
const H264_FORMATS: [(u8, u8, bool, u32); 8] = [
    (108, 109, true, 0x42_e0_1f),
    (127, 121, true, 0x42_00_1f),
    (123, 119, true, 0x4d_00_1f),
    (114, 115, true, 0x64_00_1f),
    (124, 120, false, 0x42_e0_1f),
    (125, 107, false, 0x42_00_1f),
    (35, 36, false, 0x4d_00_1f),
    (37, 38, true, 0x64_0c_1f),
];

/// Enables what is forwarded and nothing else. The order decides what a browser publishes when it leaves the choice to
/// the answer.
pub(crate) fn enable(config: RtcConfig) -> RtcConfig {
    let mut config = config.clear_codecs().enable_opus(true, true);
    let codecs = config.codec_config();
    for (pt, rtx, mode_one, profile) in H264_FORMATS {
        codecs.add_h264(pt.into(), Some(rtx.into()), mode_one, profile);
    }
    config.enable_vp8(true).enable_vp9(true).enable_av1(true)
}

/// The same for a viewer that has no streams for pictures that are sent again (RFC 4588): it is not told to ask for them. It asks for
/// a keyframe instead, and at once.
pub(crate) fn without_repair(mut config: RtcConfig) -> RtcConfig {
    let mut params = config.codec_config().params().to_vec();
    for params in &mut params {
        params.set_fb_nack(false);
    }
    *config.codec_config() = CodecConfig::new_from_payload_params(params);
    config
}

/// Whether an offer has formats of retransmissions (RFC 4588 §8.1).
pub(crate) fn has_repair(offer: &str) -> bool {
    let formats = offer.lines().filter(|line| line.starts_with("a=rtpmap:"));
    let mut names = formats.filter_map(|line| line.split_once(' ')?.1.split('/').next());
    names.any(|name| name.eq_ignore_ascii_case("rtx"))
}

/// The payload types by which a remote sends a format, or decodes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PayloadTypes {
    pub(crate) plain: Pt,
    /// Of packets that carry those before them once more (RFC 2198).
    pub(crate) redundant: Option<Pt>,
}

impl PayloadTypes {
    pub(crate) fn of(params: &PayloadParams) -> Self {
        Self {
            plain: params.pt(),
            redundant: params.red(),
        }
    }

    pub(crate) fn has(self, payload_type: Pt) -> bool {
        self.plain == payload_type || self.redundant == Some(payload_type)
    }
}

/// How a codec is called in SDP.
pub(crate) fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "opus",
        Codec::H264 => "H264",
        Codec::Vp8 => "VP8",
        Codec::Vp9 => "VP9",
        Codec::Av1 => "AV1",
        _ => "unknown",
    }
}

/// Picks the payload types by which a receiver of `offered` formats decodes `format`, those of the closest one if there
/// are several.
pub(crate) fn payload_types(format: &CodecSpec, offered: &[(PayloadTypes, CodecSpec)]) -> Option<PayloadTypes> {
    offered
        .iter()
        .filter_map(|(types, candidate)| Some((distance(format, candidate)?, *types)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, types)| types)
}

/// How far a decoder's format is from the sender's; `None` where it could not decode it.
fn distance(sent: &CodecSpec, decoded: &CodecSpec) -> Option<u32> {
    if sent.codec != decoded.codec || sent.clock_rate != decoded.clock_rate {
        return None;
    }
    let (s, d) = (&sent.format, &decoded.format);
    match sent.codec {
        Codec::H264 => {
            let mode = |format: Option<u8>| format.unwrap_or(0);
            let (sent_mode, decoded_mode) = (mode(s.packetization_mode), mode(d.packetization_mode));
            // Mode 1 may use every packet type of mode 0, not the other way about (RFC 6184 §6.2, §6.3).
            if sent_mode > decoded_mode {
                return None;
            }
            let profile = H264Profile::of(s.profile_level_id).distance(H264Profile::of(d.profile_level_id))?;
            Some(2 * profile + u32::from(sent_mode != decoded_mode))
        }
        Codec::Vp9 => (s.profile_id.unwrap_or(0) == d.profile_id.unwrap_or(0)).then_some(0),
        Codec::Av1 => (s.profile.unwrap_or(0) == d.profile.unwrap_or(0)).then_some(0),
        _ => Some(0),
    }
}

/// The profiles of ITU-T H.264 annex A that browsers name. The level is left out: all of them allow level asymmetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum H264Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    High,
    ConstrainedHigh,
    Other(u32),
}

/// `profile_idc` and constraint flags, of which `constraint_set1` makes baseline the constrained one (RFC 6184 table
/// 5), and the fourth and the fifth together high (ITU-T H.264 §A.2.4.2).
impl H264Profile {
    fn of(profile_level_id: Option<u32>) -> Self {
        // RFC 6184 §8.1: baseline where the parameter is missing.
        let id = profile_level_id.unwrap_or(0x42_00_0a);
        let (idc, constraints) = (id >> 16, (id >> 8) & 0xff);
        match idc {
            0x42 if constraints & 0x40 != 0 => Self::ConstrainedBaseline,
            0x42 => Self::Baseline,
            0x4d => Self::Main,
            0x64 if constraints & 0x0c == 0x0c => Self::ConstrainedHigh,
            0x64 => Self::High,
            _ => Self::Other(id >> 8),
        }
    }

    /// Constrained baseline is a subset of the others, and main and constrained high of high (ITU-T H.264 §A.2).
    fn distance(self, decoder: Self) -> Option<u32> {
        match (self, decoder) {
            (sent, decoder) if sent == decoder => Some(0),
            (Self::ConstrainedBaseline, Self::Baseline) | (Self::Main | Self::ConstrainedHigh, Self::High) => Some(1),
            (Self::ConstrainedBaseline, Self::Main) => Some(2),
            (Self::ConstrainedBaseline, Self::ConstrainedHigh) => Some(3),
            (Self::ConstrainedBaseline, Self::High) => Some(4),
            // Encoders that announce plain baseline stay within the constrained one: nobody implements what it adds.
            (Self::Baseline, Self::ConstrainedBaseline) => Some(5),
            (Self::Baseline, Self::Main) => Some(6),
            (Self::Baseline, Self::ConstrainedHigh) => Some(7),
            (Self::Baseline, Self::High) => Some(8),
            // Decoders that are announced as constrained decode all of high: only encoders keep to the constraint. What
            // they could not, interlaced pictures, nobody sends. Better than nothing, which is all that is left.
            (Self::Main | Self::High, Self::ConstrainedHigh) => Some(9),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use str0m::format::FormatParams;
    use str0m::media::Frequency;

    fn video(codec: Codec, fmtp: &str) -> CodecSpec {
        CodecSpec {
            codec,
            clock_rate: Frequency::NINETY_KHZ,
            channels: None,
            format: FormatParams::parse_line(fmtp),
        }
    }

    fn plain(payload_type: u8) -> PayloadTypes {
        PayloadTypes {
            plain: payload_type.into(),
            redundant: None,
        }
    }

    fn h264(mode: u8, profile: &str) -> CodecSpec {
        video(
            Codec::H264,
            &format!("level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}"),
        )
    }

    #[test]
    fn the_same_profile_and_mode_is_preferred() {
        let offered = [
            (plain(100), h264(0, "42e01f")),
            (plain(101), h264(1, "64001f")),
            (plain(102), h264(1, "42e034")),
        ];
        assert_eq!(payload_types(&h264(1, "42e01f"), &offered), Some(plain(102)));
        assert_eq!(payload_types(&h264(0, "42e01f"), &offered), Some(plain(100)));
        assert_eq!(payload_types(&h264(1, "4d001f"), &offered), Some(plain(101)));
    }

    /// What Safari offers: no main, and high with its constraint only.
    const CONSTRAINED: [(u8, &str); 2] = [(100, "640c34"), (101, "42e034")];

    #[test]
    fn a_decoder_of_constrained_high_gets_everything() {
        let offered = CONSTRAINED.map(|(payload_type, profile)| (plain(payload_type), h264(1, profile)));
        for (sent, expected) in [
            ("640c1f", 100),
            ("64001f", 100),
            ("4d001f", 100),
            ("42e01f", 101),
            ("42001f", 101),
        ] {
            assert_eq!(payload_types(&h264(1, sent), &offered), Some(plain(expected)), "{sent}");
        }
        let high = [(plain(100), h264(1, "640c34"))];
        assert_eq!(payload_types(&h264(1, "42e01f"), &high), Some(plain(100)));
    }

    #[test]
    fn constrained_high_is_shown_as_high_and_no_less() {
        let offered = [(plain(100), h264(1, "64001f")), (plain(101), h264(1, "42e01f"))];
        assert_eq!(payload_types(&h264(1, "640c1f"), &offered), Some(plain(100)));
        assert_eq!(payload_types(&h264(1, "640c1f"), &offered[1..]), None);
        let both = [offered[0], (plain(102), h264(1, "640c34"))];
        assert_eq!(payload_types(&h264(1, "640c1f"), &both), Some(plain(102)));
        assert_eq!(payload_types(&h264(1, "64001f"), &both), Some(plain(100)));
    }

    #[test]
    fn constrained_high_is_taken() {
        let mut config = enable(str0m::Rtc::builder());
        for (payload_type, profile) in CONSTRAINED {
            let params = PayloadParams::new(payload_type.into(), None, h264(1, profile));
            assert!(config.codec_config().match_params(params).is_some(), "{profile}");
        }
    }

    #[test]
    fn a_decoder_of_less_gets_nothing() {
        assert_eq!(
            payload_types(&h264(1, "42e01f"), &[(plain(100), h264(0, "42e01f"))]),
            None
        );
        assert_eq!(
            payload_types(&h264(1, "64001f"), &[(plain(100), h264(1, "42e01f"))]),
            None
        );
        assert_eq!(
            payload_types(&h264(1, "42e01f"), &[(plain(96), video(Codec::Vp8, ""))]),
            None
        );
        assert_eq!(
            payload_types(
                &video(Codec::Vp9, "profile-id=2"),
                &[(plain(98), video(Codec::Vp9, ""))]
            ),
            None
        );
    }

    #[test]
    fn a_missing_parameter_means_its_default() {
        assert_eq!(
            payload_types(
                &video(Codec::Vp9, "profile-id=0"),
                &[(plain(98), video(Codec::Vp9, ""))]
            ),
            Some(plain(98))
        );
        assert_eq!(
            payload_types(&video(Codec::Av1, ""), &[(plain(45), video(Codec::Av1, "profile=0"))]),
            Some(plain(45))
        );
    }
}
