//! VP8 out of RTP payloads (RFC 7741 §4), into frames as decoders take them (RFC 6386 §9.1).

use super::encoded_frame::{DepacketizeError, EncodedFrame};
use crate::units::Resolution;

/// In front of the first partition of a keyframe: the frame tag, a start code, width and height (RFC 6386 §9.1).
const KEYFRAME_HEADER: usize = 10;

/// After the frame tag of a keyframe.
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

/// The low bits of both sides; the others say how a picture is to be enlarged, which nobody does.
const SIDE: u16 = 0x3fff;

/// Whether a keyframe begins with `payload`.
pub(crate) fn begins_keyframe(payload: &[u8]) -> bool {
    matches!(content(payload), Ok((true, [tag, ..])) if is_keyframe(*tag))
}

/// Puts a frame together from all its payloads in order.
pub(crate) fn depacketize<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Result<EncodedFrame, DepacketizeError> {
    let mut frame = EncodedFrame::default();
    for payload in payloads.filter(|payload| !payload.is_empty()) {
        let (begins, data) = content(payload)?;
        if frame.data.is_empty() && !begins {
            return Err(DepacketizeError::Beginning);
        }
        frame.data.extend_from_slice(data);
    }
    if frame.data.first().is_some_and(|tag| is_keyframe(*tag)) {
        frame.keyframe = Some(size(&frame.data).ok_or(DepacketizeError::Header)?);
    }
    Ok(frame)
}

/// The lowest bit of the frame tag is set in frames that refer to others.
fn is_keyframe(tag: u8) -> bool {
    tag & 1 == 0
}

fn size(keyframe: &[u8]) -> Option<Resolution> {
    let header = keyframe.get(..KEYFRAME_HEADER)?;
    let pixels = |at: usize| u32::from(u16::from_le_bytes([header[at], header[at + 1]]) & SIDE);
    let size = Resolution::new(pixels(6), pixels(8));
    (header[3..6] == START_CODE && size.pixels() > 0).then_some(size)
}

/// Whether a frame begins with this payload, and what follows its descriptor (RFC 7741 §4.2).
fn content(payload: &[u8]) -> Result<(bool, &[u8]), DepacketizeError> {
    let [first, rest @ ..] = payload else {
        return Err(DepacketizeError::Truncated);
    };
    // S, with partition index 0.
    let begins = first & 0x17 == 0x10;
    let mut length = 0;
    if first & 0x80 != 0 {
        let extension = *rest.first().ok_or(DepacketizeError::Truncated)?;
        length += 1;
        if extension & 0x80 != 0 {
            // A picture id of 15 bits or of 7.
            let id = *rest.get(length).ok_or(DepacketizeError::Truncated)?;
            length += if id & 0x80 == 0 { 1 } else { 2 };
        }
        length += usize::from(extension & 0x40 != 0) + usize::from(extension & 0x30 != 0);
    }
    let data = rest.get(length..).ok_or(DepacketizeError::Truncated)?;
    Ok((begins, data))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use rtc::rtp::codec::vp8::Vp8Payloader;
    use rtc::rtp::packetizer::Payloader as _;

    use super::*;

    /// The start of a keyframe of 320 × 180, and some bytes.
    fn keyframe(length: usize) -> Vec<u8> {
        let header = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x41, 0xb4, 0x00];
        header.into_iter().chain((0..length).map(|n| n as u8)).collect()
    }

    fn payloads(frame: &[u8], enable_picture_id: bool) -> Vec<Bytes> {
        let mut payloader = Vp8Payloader::default();
        payloader.enable_picture_id = enable_picture_id;
        let frame = Bytes::copy_from_slice(frame);
        payloader.payload(100, &frame).expect("it can be cut")
    }

    fn joined(payloads: &[Bytes]) -> Result<EncodedFrame, DepacketizeError> {
        depacketize(payloads.iter().map(AsRef::as_ref))
    }

    #[test]
    fn a_keyframe_tells_its_size_and_is_known_by_its_first_packet() {
        let payloads = payloads(&keyframe(950), true);
        assert!(begins_keyframe(&payloads[0]) && !payloads[1..].iter().any(|payload| begins_keyframe(payload)));
        let frame = joined(&payloads).expect("whole");
        assert_eq!(frame.data, keyframe(950));
        assert_eq!(frame.keyframe, Some(Resolution::new(320, 180)));
    }

    #[test]
    fn descriptors_of_any_length_are_passed_over() {
        for descriptor in [
            &[0x10][..],
            // A short picture id; a long one; with tl0picidx, and tid or keyidx.
            &[0x90, 0x80, 0x7f],
            &[0x90, 0x80, 0x80, 0x01],
            &[0x90, 0xf0, 0x80, 0x01, 0x02, 0x03],
            &[0x90, 0x20, 0x40],
            &[0x90, 0x10, 0x01],
            &[0x90, 0x40, 0x09],
        ] {
            let payload = [descriptor, &keyframe(20)].concat();
            assert!(begins_keyframe(&payload), "{descriptor:?}");
            let frame = depacketize([payload.as_slice()].into_iter()).expect("whole");
            assert_eq!(frame.data, keyframe(20), "{descriptor:?}");
        }
    }

    #[test]
    fn a_frame_that_refers_to_others_is_no_keyframe() {
        let payload = [0x10, 0x11, 1, 2];
        assert!(!begins_keyframe(&payload));
        let frame = depacketize([payload.as_slice()].into_iter()).expect("whole");
        assert_eq!((frame.data, frame.keyframe), (vec![0x11, 1, 2], None));
    }

    #[test]
    fn what_is_too_short_or_begins_in_the_middle_is_refused() {
        let joined = |payloads: &[&[u8]]| depacketize(payloads.iter().copied());
        assert_eq!(joined(&[&[0x90, 0x80]]), Err(DepacketizeError::Truncated));
        assert_eq!(joined(&[&[0x90]]), Err(DepacketizeError::Truncated));
        assert_eq!(joined(&[&[0x00, 0x10, 1]]), Err(DepacketizeError::Beginning));
        // The start of another partition of the same frame.
        assert_eq!(joined(&[&[0x11, 0x10, 1]]), Err(DepacketizeError::Beginning));
        assert_eq!(joined(&[&[0x10, 0x10, 0, 0, 1, 2, 3]]), Err(DepacketizeError::Header));
        assert_eq!(joined(&[&[], &[]]), Ok(EncodedFrame::default()), "padding");
    }

    proptest! {
        #[test]
        fn any_frame_survives(length in 0usize..2_000, with_id in any::<bool>()) {
            let frame = keyframe(length);
            prop_assert_eq!(joined(&payloads(&frame, with_id)).expect("whole").data, frame);
        }

        #[test]
        fn any_bytes_are_taken_without_panic(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            for payload in &payloads {
                begins_keyframe(payload);
            }
            let _ = depacketize(payloads.iter().map(Vec::as_slice));
        }
    }
}
