//! Where a picture begins that needs no other: read from the first bytes of an RTP payload, without decoding.
//!
//! A wrong "no" delays a viewer, a wrong "yes" shows a broken picture until the next keyframe; neither can do harm
//! beyond that, so payloads that make no sense are simply not keyframes.

use str0m::format::Codec;

/// NAL unit types of H.264 (ITU-T H.264 table 7-1) and of its RTP packets (RFC 6184 §5.4).
pub(crate) mod nal {
    pub(crate) const IDR: u8 = 5;
    pub(crate) const SPS: u8 = 7;
    pub(crate) const PPS: u8 = 8;
    pub(crate) const STAP_A: u8 = 24;
    pub(crate) const FU_A: u8 = 28;

    /// The whole units of a payload: those of a packet of several (RFC 6184 §5.7.1), or else the one that it is, or a part of it.
    pub(crate) fn units(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
        let (mut several, mut one) = match payload {
            [indicator, rest @ ..] if indicator & 0x1f == STAP_A => (rest, None),
            _ => (&[][..], Some(payload)),
        };
        std::iter::from_fn(move || {
            if let Some(unit) = one.take() {
                return Some(unit);
            }
            let (size, rest) = several.split_first_chunk()?;
            let (unit, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
            several = rest;
            Some(unit)
        })
    }
}

/// Whether a decoder that has seen nothing yet can start with this packet.
pub(crate) fn starts_keyframe(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::H264 => h264(payload),
        Codec::Vp8 => vp8(payload),
        Codec::Vp9 => vp9(payload),
        Codec::Av1 => av1(payload),
        _ => false,
    }
}

/// A sequence parameter set opens a keyframe; an IDR slice does where the parameter sets came earlier (RFC 6184 §5.6 to
/// §5.8).
fn h264(payload: &[u8]) -> bool {
    fn opens(header: u8) -> bool {
        matches!(header & 0x1f, nal::SPS | nal::IDR)
    }
    match payload {
        [indicator, rest @ ..] if indicator & 0x1f == nal::STAP_A => {
            let mut rest = rest;
            while let [high, low, tail @ ..] = rest {
                let size = usize::from(u16::from_be_bytes([*high, *low]));
                if tail.first().is_some_and(|header| opens(*header)) {
                    return true;
                }
                rest = tail.get(size..).unwrap_or_default();
            }
            false
        }
        // Only the first fragment: one in the middle cannot be decoded from.
        [indicator, header, ..] if indicator & 0x1f == nal::FU_A => header & 0x80 != 0 && opens(*header),
        [header, ..] => opens(*header),
        [] => false,
    }
}

/// The payload descriptor (RFC 7741 §4.2) must start partition 0; the inverse key frame flag is the lowest bit of the
/// payload header behind it (§4.3).
fn vp8(payload: &[u8]) -> bool {
    vp8_frame(payload).is_some_and(|frame| frame.first().is_some_and(|header| header & 0x01 == 0))
}

/// What follows the payload descriptor, where it is the beginning of a frame.
pub(crate) fn vp8_frame(payload: &[u8]) -> Option<&[u8]> {
    let first = *payload.first()?;
    let starts_frame = first & 0x17 == 0x10;
    if !starts_frame {
        return None;
    }
    let mut header_at = 1;
    if first & 0x80 != 0 {
        let extension = *payload.get(1)?;
        header_at += 1;
        if extension & 0x80 != 0 {
            let is_long = payload.get(header_at).is_some_and(|picture_id| picture_id & 0x80 != 0);
            header_at += if is_long { 2 } else { 1 };
        }
        if extension & 0x40 != 0 {
            header_at += 1;
        }
        if extension & 0x30 != 0 {
            header_at += 1;
        }
    }
    payload.get(header_at..)
}

/// Not inter-picture predicted, and the beginning of a frame of the lowest spatial layer (RFC 9628 §4.2).
fn vp9(payload: &[u8]) -> bool {
    const PICTURE_ID: u8 = 0x80;
    const INTER_PREDICTED: u8 = 0x40;
    const LAYERS: u8 = 0x20;
    const BEGINS: u8 = 0x08;
    let Some(&first) = payload.first() else { return false };
    if first & INTER_PREDICTED != 0 || first & BEGINS == 0 {
        return false;
    }
    if first & LAYERS == 0 {
        return true;
    }
    let mut layer_at = 1;
    if first & PICTURE_ID != 0 {
        let is_long = payload.get(1).is_some_and(|picture_id| picture_id & 0x80 != 0);
        layer_at += if is_long { 2 } else { 1 };
    }
    payload.get(layer_at).is_some_and(|layer| layer & 0x0e == 0)
}

/// The N bit of the aggregation header: the first packet of a coded video sequence (AV1 RTP §4.4).
fn av1(payload: &[u8]) -> bool {
    payload.first().is_some_and(|header| header & 0x08 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn h264_keyframes_are_seen_in_every_packing() {
        for (payload, expected) in [
            (&[0x65, 1, 2][..], true),
            (&[0x67, 0x42][..], true),
            (&[0x41, 1, 2][..], false),
            (&[0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce, 0, 1, 0x65][..], true),
            (&[0x78, 0, 2, 0x06, 0x05, 0, 1, 0x65][..], true),
            (&[0x78, 0, 2, 0x41, 0x05, 0, 1, 0x41][..], false),
            (&[0x7c, 0x85, 9][..], true),
            (&[0x7c, 0x05, 9][..], false),
            (&[0x7c, 0x45, 9][..], false),
            (&[0x7c, 0x81, 9][..], false),
        ] {
            assert_eq!(starts_keyframe(Codec::H264, payload), expected, "{payload:02x?}");
        }
    }

    #[test]
    fn vp8_keyframes_are_seen_behind_every_descriptor() {
        for (payload, expected) in [
            (&[0x10, 0x00][..], true),
            (&[0x10, 0x01][..], false),
            (&[0x00, 0x00][..], false),
            (&[0x11, 0x00][..], false),
            (&[0x90, 0x80, 0x05, 0x00][..], true),
            (&[0x90, 0x80, 0x85, 0x05, 0x01][..], false),
            (&[0x90, 0xe0, 0x85, 0x05, 0x01, 0x20, 0x00][..], true),
        ] {
            assert_eq!(starts_keyframe(Codec::Vp8, payload), expected, "{payload:02x?}");
        }
    }

    #[test]
    fn vp9_and_av1_keyframes_are_seen() {
        for (codec, payload, expected) in [
            (Codec::Vp9, &[0x88, 0x05][..], true),
            (Codec::Vp9, &[0xc8, 0x05][..], false),
            (Codec::Vp9, &[0x80, 0x05][..], false),
            (Codec::Vp9, &[0xa8, 0x85, 0x05, 0x00][..], true),
            (Codec::Vp9, &[0xa8, 0x85, 0x05, 0x02][..], false),
            (Codec::Av1, &[0x18, 0x0a][..], true),
            (Codec::Av1, &[0x10, 0x0a][..], false),
        ] {
            assert_eq!(starts_keyframe(codec, payload), expected, "{codec:?} {payload:02x?}");
        }
    }

    proptest! {
        #[test]
        fn no_payload_panics(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            for codec in [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus] {
                starts_keyframe(codec, &payload);
            }
        }
    }
}
