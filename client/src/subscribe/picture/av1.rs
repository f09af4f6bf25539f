//! AV1 out of RTP payloads (RTP Payload Format For AV1 §4), into temporal units in the low-overhead format that decoders take
//! (AV1 bitstream specification §5).
//!
//! Not with webrtc-rs' `Av1Depacketizer`: it panics at a unit that ends within its header.

use super::encoded_frame::{DepacketizeError, EncodedFrame};
use crate::units::Resolution;
use crate::video::bits::Bits;

/// The first unit goes on with one of the packet before.
const CONTINUES: u8 = 0x80;
/// The last unit goes on in the packet after.
const CONTINUED: u8 = 0x40;
/// A coded video sequence begins.
const NEW_SEQUENCE: u8 = 0x08;

/// Of a unit's header: two bytes and not one, and a size after it.
const HAS_EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;

/// Kinds of units (AV1 bitstream specification §6.2.2).
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

/// Stands before each temporal unit, and is left out on the way.
const DELIMITER: [u8; 2] = [TEMPORAL_DELIMITER << 3 | HAS_SIZE, 0];

/// Bytes of a size: 56 bits (§4.10.5).
const MOST_SIZE_BYTES: usize = 8;

/// Whether a keyframe begins with `payload`.
pub(crate) fn begins_keyframe(payload: &[u8]) -> bool {
    payload
        .first()
        .is_some_and(|header| header & NEW_SEQUENCE != 0 && header & CONTINUES == 0)
}

/// Puts a temporal unit together from all its payloads in order.
pub(crate) fn depacketize<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Result<EncodedFrame, DepacketizeError> {
    let mut unit = TemporalUnit::default();
    let mut begins = false;
    for payload in payloads.filter(|payload| !payload.is_empty()) {
        begins |= unit.data.is_empty() && begins_keyframe(payload);
        unit.take(payload)?;
    }
    if unit.part.is_some() {
        return Err(DepacketizeError::End);
    }
    let keyframe = match unit.sequence {
        Some(header) if begins => Some(size(&header).ok_or(DepacketizeError::Header)?),
        _ => None,
    };
    Ok(EncodedFrame {
        data: unit.data,
        keyframe,
    })
}

#[derive(Default)]
struct TemporalUnit {
    data: Vec<u8>,
    /// A unit that has not ended.
    part: Option<Vec<u8>>,
    /// What its sequence header holds.
    sequence: Option<Vec<u8>>,
}

impl TemporalUnit {
    fn take(&mut self, payload: &[u8]) -> Result<(), DepacketizeError> {
        let mut rest = payload;
        let header = *rest.split_off_first().ok_or(DepacketizeError::Truncated)?;
        if (header & CONTINUES != 0) != self.part.is_some() {
            return Err(DepacketizeError::Beginning);
        }
        // How many units there are, of which the last tells no size; 0 where all do.
        let count = header >> 4 & 3;
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            let size = if number == count {
                rest.len()
            } else {
                size_field(&mut rest)?
            };
            let element = rest.split_off(..size).ok_or(DepacketizeError::Truncated)?;
            let mut unit = self.part.take().unwrap_or_default();
            unit.extend_from_slice(element);
            if rest.is_empty() && header & CONTINUED != 0 {
                self.part = Some(unit);
            } else {
                self.append(&unit)?;
            }
        }
        Ok(())
    }

    /// Adds a unit, with its size.
    fn append(&mut self, unit: &[u8]) -> Result<(), DepacketizeError> {
        let mut rest = unit;
        let Some(header) = rest.split_off_first() else {
            return Ok(());
        };
        let extension = if header & HAS_EXTENSION != 0 {
            rest.split_off(..1).ok_or(DepacketizeError::Truncated)?
        } else {
            &[]
        };
        if header & HAS_SIZE != 0 {
            let size = size_field(&mut rest)?;
            rest = rest.get(..size).ok_or(DepacketizeError::Truncated)?;
        }
        match header >> 3 & 0xf {
            TEMPORAL_DELIMITER | TILE_LIST | PADDING => return Ok(()),
            SEQUENCE_HEADER => self.sequence = Some(rest.to_vec()),
            _ => {}
        }
        if self.data.is_empty() {
            self.data.extend_from_slice(&DELIMITER);
        }
        self.data.push(header | HAS_SIZE);
        self.data.extend_from_slice(extension);
        let mut size = rest.len();
        while size >= 0x80 {
            self.data.push(size as u8 | 0x80);
            size >>= 7;
        }
        self.data.push(size as u8);
        self.data.extend_from_slice(rest);
        Ok(())
    }
}

/// Takes a number in LEB128 off the front (AV1 bitstream specification §4.10.5).
fn size_field(rest: &mut &[u8]) -> Result<usize, DepacketizeError> {
    let mut size = 0_u64;
    for place in 0..MOST_SIZE_BYTES {
        let byte = *rest.split_off_first().ok_or(DepacketizeError::Truncated)?;
        size |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return usize::try_from(size).map_err(|_| DepacketizeError::Truncated);
        }
    }
    Err(DepacketizeError::Truncated)
}

/// The largest size of a sequence's pictures (AV1 bitstream specification §5.5.1).
fn size(sequence_header: &[u8]) -> Option<Resolution> {
    let mut bits = Bits::of(sequence_header);
    // Profile, still picture.
    bits.skip(4)?;
    if bits.flag()? {
        bits.skip(5)?;
    } else {
        operating_points(&mut bits)?;
    }
    let (across, down) = (bits.number(4)? + 1, bits.number(4)? + 1);
    Some(Resolution::new(bits.number(across)? + 1, bits.number(down)? + 1))
}

/// Passes over what stands between a sequence's beginning and its size.
fn operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.flag()? {
        // Timing: units in a tick and ticks in a second, and whether pictures are so many ticks apart.
        bits.skip(64)?;
        if bits.flag()? {
            let mut zeros = 0;
            while !bits.flag()? {
                zeros += 1;
            }
            bits.skip(if zeros < 32 { zeros } else { 0 })?;
        }
        // How a decoder is to be modelled.
        if bits.flag()? {
            delay_bits = Some(bits.number(5)? + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let tells_delay = bits.flag()?;
    for _ in 0..=bits.number(5)? {
        bits.skip(12)?;
        // A level above 3.3 has a tier.
        if bits.number(5)? > 7 {
            bits.skip(1)?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if tells_delay && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use rtc::rtp::codec::av1::Av1Payloader;
    use rtc::rtp::packetizer::Payloader as _;

    use super::*;

    /// As libaom writes it, of 320 × 180: profile 0, one operating point of level 2.0, nine and eight bits of size.
    const SEQUENCE: [u8; 9] = [0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe, 0xcc, 0xbf, 0xf0];

    const SIZE: Resolution = Resolution::new(320, 180);

    fn obu(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut obu = vec![kind << 3 | HAS_SIZE];
        let mut size = content.len();
        while size >= 0x80 {
            obu.push(size as u8 | 0x80);
            size >>= 7;
        }
        obu.push(size as u8);
        obu.extend_from_slice(content);
        obu
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|n| n as u8).collect()
    }

    /// A sequence header and a picture.
    fn keyframe(length: usize) -> Vec<u8> {
        [obu(SEQUENCE_HEADER, &SEQUENCE), obu(6, &content(length))].concat()
    }

    fn joined(payloads: &[&[u8]]) -> Result<EncodedFrame, DepacketizeError> {
        depacketize(payloads.iter().copied())
    }

    #[test]
    fn a_keyframe_tells_its_size_and_is_known_by_its_first_packet() {
        let frame = Bytes::from([obu(TEMPORAL_DELIMITER, &[]), keyframe(950)].concat());
        let payloads = Av1Payloader::default().payload(100, &frame).expect("it can be cut");
        assert!(payloads.len() > 9);
        assert!(begins_keyframe(&payloads[0]) && !payloads[1..].iter().any(|payload| begins_keyframe(payload)));
        let joined = depacketize(payloads.iter().map(AsRef::as_ref)).expect("whole");
        assert_eq!(joined.data, frame);
        assert_eq!(joined.keyframe, Some(SIZE));
    }

    #[test]
    fn units_are_found_however_their_sizes_are_told() {
        let expected = [&DELIMITER[..], &obu(3, &[1, 2]), &obu(4, &[3])].concat();
        for payload in [
            // Counted; all with sizes; each with a size of its own besides; with a delimiter and padding.
            &[0x20, 3, 0x18, 1, 2, 0x20, 3][..],
            &[0x00, 3, 0x18, 1, 2, 2, 0x20, 3],
            &[0x20, 4, 0x1a, 2, 1, 2, 0x22, 1, 3],
            &[0x00, 1, 0x10, 3, 0x18, 1, 2, 2, 0x20, 3, 3, 0x78, 0, 0],
        ] {
            let frame = joined(&[payload]).expect("whole");
            assert_eq!((frame.data, frame.keyframe), (expected.clone(), None), "{payload:02x?}");
        }
        // In three parts, and with an extension.
        let frame = joined(&[&[0x50, 0x34, 0x08], &[0xd0, 1], &[0xa0, 1, 2, 0x20, 3]]).expect("whole");
        assert_eq!(
            frame.data,
            [&DELIMITER[..], &[0x36, 0x08, 2, 1, 2], &obu(4, &[3])].concat()
        );
    }

    /// Numbers of so many bits each.
    fn packed(fields: &[(u64, u32)]) -> Vec<u8> {
        let bits: Vec<_> = fields
            .iter()
            .flat_map(|(value, count)| (0..*count).rev().map(move |bit| (value >> bit & 1) as u8))
            .collect();
        let byte = |bits: &[u8]| (0..8).fold(0, |byte, at| byte << 1 | bits.get(at).copied().unwrap_or(0));
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn a_sequence_header_that_says_more_is_read() {
        let timing = [(1, 1), (1, 32), (30, 32), (1, 1), (0b010, 3)];
        let model = [(1, 1), (9, 5), (1, 32), (9, 5), (9, 5)];
        // A point with a tier, what a decoder of it does, and its delay; and one without any of them.
        let points = [
            (1, 1),
            (1, 5),
            (0, 12),
            (8, 5),
            (1, 1),
            (1, 1),
            (5, 10),
            (6, 10),
            (0, 1),
            (1, 1),
            (3, 4),
        ];
        let point = [(0, 12), (7, 5), (0, 1), (0, 1)];
        let sides = [(10, 4), (9, 4), (1_279, 11), (719, 10)];
        let header = packed(&[&[(0, 5)][..], &timing, &model, &points, &point, &sides].concat());
        assert_eq!(size(&header), Some(Resolution::new(1_280, 720)));
        assert!((0..header.len() - 1).all(|end| size(&header[..end]).is_none()));
        let still = packed(&[(0, 3), (1, 1), (1, 1), (5, 5), (3, 4), (3, 4), (15, 4), (10, 4)]);
        assert_eq!(size(&still), Some(Resolution::new(16, 11)));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        assert_eq!(joined(&[&[0x80, 1, 2]]), Err(DepacketizeError::Beginning));
        assert_eq!(
            joined(&[&[0x50, 0x30], &[0x10, 0x30]]),
            Err(DepacketizeError::Beginning)
        );
        assert_eq!(joined(&[&[0x50, 0x30, 1]]), Err(DepacketizeError::End));
        for truncated in [
            // A size beyond the end, or that does not end; an extension that is missing; a unit's own size beyond its end.
            &[0x00, 9, 1][..],
            &[0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x00, 0xff],
            &[0x10, 0x34],
            &[0x10, 0x32, 5, 1],
        ] {
            assert_eq!(
                joined(&[truncated]),
                Err(DepacketizeError::Truncated),
                "{truncated:02x?}"
            );
        }
        let header = [&[0x18][..], &[0x08], &[0; 3]].concat();
        assert_eq!(joined(&[&header]), Err(DepacketizeError::Header));
        assert_eq!(joined(&[&[], &[0x10]]), Ok(EncodedFrame::default()), "padding");
    }

    proptest! {
        #[test]
        fn any_frame_survives(length in 0usize..2_000) {
            let frame = Bytes::from(keyframe(length));
            let payloads = Av1Payloader::default().payload(100, &frame).expect("it can be cut");
            let joined = depacketize(payloads.iter().map(AsRef::as_ref)).expect("whole");
            prop_assert_eq!(&joined.data[DELIMITER.len()..], &frame);
        }

        #[test]
        fn any_bytes_are_taken_without_panic(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            for payload in &payloads {
                begins_keyframe(payload);
                size(payload);
            }
            let _ = depacketize(payloads.iter().map(Vec::as_slice));
        }
    }
}
