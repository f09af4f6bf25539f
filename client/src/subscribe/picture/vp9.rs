//! VP9 out of RTP payloads (RFC 9628 §4), into what decoders take: one picture with all its spatial layers.

use super::encoded_frame::{DepacketizeError, EncodedFrame};
use crate::units::Resolution;
use crate::video::bits::Bits;

/// A packet's picture id is there.
const PICTURE_ID: u8 = 0x80;
/// Its frame refers to an earlier picture.
const INTER_PREDICTED: u8 = 0x40;
/// Its layer is told.
const LAYERS: u8 = 0x20;
/// References are told one by one.
const FLEXIBLE: u8 = 0x10;
/// A layer's frame begins with it.
const BEGINS: u8 = 0x08;
/// The sizes of layers are told.
const STRUCTURE: u8 = 0x02;

/// References that a packet may tell.
const MOST_REFERENCES: usize = 3;

/// Frames that an index tells the sizes of (VP9 bitstream specification, annex B).
const MOST_LAYERS: usize = 8;

/// At the beginning of a keyframe (VP9 bitstream specification §7.2).
const SYNC_CODE: u32 = 0x49_83_42;

/// The colour space without a range (§7.2.2).
const RGB: u32 = 7;

/// What one payload carries.
struct Packet<'a> {
    /// Whether its frame begins a picture that refers to none before it.
    intra: bool,
    begins: bool,
    /// Of the largest layer.
    size: Option<Resolution>,
    data: &'a [u8],
}

/// Whether a keyframe begins with `payload`.
pub(crate) fn begins_keyframe(payload: &[u8]) -> bool {
    packet(payload).is_ok_and(|packet| packet.intra && packet.begins && size(packet.data).is_some())
}

/// Puts a picture together from all its payloads in order.
pub(crate) fn depacketize<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Result<EncodedFrame, DepacketizeError> {
    let mut frame = EncodedFrame::default();
    // Where each layer begins.
    let mut layers = Vec::new();
    let (mut intra, mut told) = (false, None);
    for payload in payloads.filter(|payload| !payload.is_empty()) {
        let packet = packet(payload)?;
        if packet.begins {
            intra |= layers.is_empty() && packet.intra;
            layers.push(frame.data.len());
        } else if layers.is_empty() {
            return Err(DepacketizeError::Beginning);
        }
        told = told.or(packet.size);
        frame.data.extend_from_slice(packet.data);
    }
    if intra {
        frame.keyframe = size(&frame.data).map(|size| told.unwrap_or(size));
    }
    index(&layers, &mut frame.data);
    Ok(frame)
}

/// Ends a picture of several layers with their sizes (VP9 bitstream specification, annex B): decoders look for it.
fn index(layers: &[usize], data: &mut Vec<u8>) {
    if !(2..=MOST_LAYERS).contains(&layers.len()) {
        return;
    }
    let ends = layers.iter().skip(1).copied().chain([data.len()]);
    let sizes: Vec<_> = layers
        .iter()
        .zip(ends)
        .map(|(start, end)| (end - start) as u32)
        .collect();
    // Each size in four bytes.
    let marker = 0xc0 | 3 << 3 | (sizes.len() - 1) as u8;
    data.push(marker);
    data.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
    data.push(marker);
}

/// Reads a payload descriptor (RFC 9628 §4.2).
fn packet(payload: &[u8]) -> Result<Packet<'_>, DepacketizeError> {
    let mut rest = payload;
    let flags = byte(&mut rest)?;
    if flags & PICTURE_ID != 0 && byte(&mut rest)? & 0x80 != 0 {
        byte(&mut rest)?;
    }
    let mut layer = 0;
    if flags & LAYERS != 0 {
        layer = byte(&mut rest)? >> 1 & 7;
        if flags & FLEXIBLE == 0 {
            byte(&mut rest)?;
        }
    }
    if flags & FLEXIBLE != 0 && flags & INTER_PREDICTED != 0 {
        let mut references = 1;
        while byte(&mut rest)? & 1 != 0 {
            references += 1;
            if references > MOST_REFERENCES {
                return Err(DepacketizeError::Header);
            }
        }
    }
    let size = if flags & STRUCTURE != 0 {
        structure(&mut rest)?
    } else {
        None
    };
    Ok(Packet {
        intra: flags & INTER_PREDICTED == 0 && layer == 0,
        begins: flags & BEGINS != 0,
        size,
        data: rest,
    })
}

/// Passes over a scalability structure (RFC 9628 §4.2.1); the size of the largest layer, where it is told.
fn structure(rest: &mut &[u8]) -> Result<Option<Resolution>, DepacketizeError> {
    let flags = byte(rest)?;
    let mut largest = None;
    if flags & 0x10 != 0 {
        for _ in 0..=flags >> 5 {
            let mut side = || Ok(u32::from(u16::from_be_bytes([byte(rest)?, byte(rest)?])));
            largest = Some(Resolution::new(side()?, side()?));
        }
    }
    if flags & 0x08 != 0 {
        for _ in 0..byte(rest)? {
            let references = byte(rest)? >> 2 & 3;
            for _ in 0..references {
                byte(rest)?;
            }
        }
    }
    Ok(largest.filter(|size| size.pixels() > 0))
}

fn byte(rest: &mut &[u8]) -> Result<u8, DepacketizeError> {
    rest.split_off_first().copied().ok_or(DepacketizeError::Truncated)
}

/// The size that a keyframe tells (VP9 bitstream specification §6.2); none where it is none.
fn size(frame: &[u8]) -> Option<Resolution> {
    let mut bits = Bits::of(frame);
    if bits.number(2)? != 2 {
        return None;
    }
    let profile = u32::from(bits.flag()?) | u32::from(bits.flag()?) << 1;
    if profile == 3 {
        bits.skip(1)?;
    }
    let shows_another = bits.flag()?;
    let refers = bits.flag()?;
    bits.skip(2)?;
    if shows_another || refers || bits.number(24)? != SYNC_CODE {
        return None;
    }
    if profile >= 2 {
        bits.skip(1)?;
    }
    let is_rgb = bits.number(3)? == RGB;
    let subsampled = profile & 1 == 1;
    bits.skip(match (is_rgb, subsampled) {
        (true, _) => u32::from(subsampled),
        (false, true) => 4,
        (false, false) => 1,
    })?;
    Some(Resolution::new(bits.number(16)? + 1, bits.number(16)? + 1))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use rtc::rtp::codec::vp9::Vp9Payloader;
    use rtc::rtp::packetizer::Payloader as _;

    use super::*;

    /// The start of a keyframe of 320 × 180 in profile 0, and some bytes.
    fn keyframe(length: usize) -> Vec<u8> {
        // Marker, profile, keyframe shown; the code; colours, and the size in 16 bits each, from the fifth bit of a byte on.
        let sides = (319_u64 * 0x1_0000 + 179) << 4;
        let header = [0x82, 0x49, 0x83, 0x42]
            .into_iter()
            .chain(sides.to_be_bytes().into_iter().skip(3));
        header.chain((0..length).map(|n| n as u8)).collect()
    }

    fn joined(payloads: &[&[u8]]) -> Result<EncodedFrame, DepacketizeError> {
        depacketize(payloads.iter().copied())
    }

    fn packed(descriptor: &[u8], data: &[u8]) -> Vec<u8> {
        [descriptor, data].concat()
    }

    const SIZE: Resolution = Resolution::new(320, 180);

    #[test]
    fn a_keyframe_tells_its_size_and_is_known_by_its_first_packet() {
        let frame = Bytes::from(keyframe(950));
        let payloads = Vp9Payloader::default().payload(100, &frame).expect("it can be cut");
        assert!(begins_keyframe(&payloads[0]) && !payloads[1..].iter().any(|payload| begins_keyframe(payload)));
        let joined = depacketize(payloads.iter().map(AsRef::as_ref)).expect("whole");
        assert_eq!(joined.data, frame);
        assert_eq!(joined.keyframe, Some(SIZE));
    }

    #[test]
    fn descriptors_of_any_length_are_passed_over() {
        for descriptor in [
            &[0x0c][..],
            // A picture id, short and long.
            &[0x8c, 0x7f],
            &[0x8c, 0x80, 0x01],
            // Layers, with tl0picidx and without.
            &[0x2c, 0x00, 0x09],
            &[0x3c, 0x00],
            // A structure of two layers with sizes and a group of two pictures, of which one has two references.
            &[
                0x0e, 0x38, 0x00, 0xa0, 0x00, 0x5a, 0x01, 0x40, 0x00, 0xb4, 2, 0x00, 0x08, 1, 2,
            ],
        ] {
            let payload = packed(descriptor, &keyframe(20));
            assert!(begins_keyframe(&payload), "{descriptor:02x?}");
            let frame = joined(&[&payload]).expect("whole");
            assert_eq!(
                (frame.data, frame.keyframe),
                (keyframe(20), Some(SIZE)),
                "{descriptor:02x?}"
            );
        }
    }

    #[test]
    fn a_frame_that_refers_to_others_is_no_keyframe() {
        // One to three references, and data that is no keyframe although the descriptor says so.
        for descriptor in [&[0x4c][..], &[0x5c, 0x02], &[0x5c, 0x03, 0x05, 0x06]] {
            let payload = packed(descriptor, &keyframe(3));
            assert!(!begins_keyframe(&payload));
            assert_eq!(joined(&[&payload]).expect("whole").keyframe, None);
        }
        let payload = packed(&[0x0c], &[0x86, 0, 1, 2]);
        assert!(!begins_keyframe(&payload));
        assert_eq!(joined(&[&payload]).expect("whole").keyframe, None);
    }

    #[test]
    fn layers_of_one_picture_are_followed_by_their_sizes() {
        let base = packed(&[0x2e, 0x00, 0x00, 0x30, 0, 160, 0, 90, 1, 64, 0, 180], &keyframe(300));
        let (begin, end) = ([0x28, 0x03, 0x00, 1, 2, 3], [0x24, 0x03, 0x00, 4]);
        let frame = joined(&[&base, &begin, &end]).expect("whole");
        let length = keyframe(300).len() as u32;
        let index = [&[0xd9][..], &length.to_le_bytes(), &4_u32.to_le_bytes(), &[0xd9]].concat();
        assert_eq!(frame.data, [keyframe(300), vec![1, 2, 3, 4], index].concat());
        assert_eq!(frame.keyframe, Some(SIZE), "of the larger layer");
        assert!(!begins_keyframe(&begin), "only a larger layer begins");
    }

    #[test]
    fn what_is_too_short_or_begins_in_the_middle_is_refused() {
        for truncated in [
            &[0x80][..],
            &[0x80, 0x80],
            &[0x20],
            &[0x20, 0],
            &[0x50],
            &[0x50, 1],
            &[0x02, 0x30, 1],
        ] {
            assert_eq!(
                joined(&[truncated]),
                Err(DepacketizeError::Truncated),
                "{truncated:02x?}"
            );
        }
        assert_eq!(joined(&[&[0x04, 1]]), Err(DepacketizeError::Beginning));
        assert_eq!(joined(&[&[0x5c, 1, 1, 1, 0]]), Err(DepacketizeError::Header));
        assert_eq!(joined(&[&[], &[]]), Ok(EncodedFrame::default()), "padding");
    }

    proptest! {
        #[test]
        fn any_frame_survives(length in 0usize..2_000) {
            let frame = Bytes::from(keyframe(length));
            let payloads = Vp9Payloader::default().payload(100, &frame).expect("it can be cut");
            prop_assert_eq!(depacketize(payloads.iter().map(AsRef::as_ref)).expect("whole").data, frame);
        }

        #[test]
        fn any_bytes_are_taken_without_panic(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..12)) {
            for payload in &payloads {
                begins_keyframe(payload);
                size(payload);
            }
            let _ = depacketize(payloads.iter().map(Vec::as_slice));
        }
    }
}
