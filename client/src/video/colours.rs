//! How planes become red, green and blue, as an H.264 stream tells it.

use super::bits::Bits;

/// NAL unit types (ITU-T H.264 table 7-1): slices, of which others consist only in part, and what stands before them.
const LAST_SLICE: u8 = 5;
const SEQUENCE_PARAMETERS: u8 = 7;

/// Sequence parameter sets are read up to here, in bytes: with scaling lists they have some hundred.
const MOST_READ: usize = 1_024;

/// Profiles whose parameter sets tell more of their samples (ITU-T H.264 §7.3.2.1.1).
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// An aspect ratio that is told in numbers (ITU-T H.264 table E-1).
const EXTENDED_RATIO: u32 = 255;

/// Matrix coefficients (ITU-T H.273 table 4).
const BT709: u32 = 1;

/// What the two planes of colour hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matrix {
    /// ITU-R BT.601, which cameras have, and what tells nothing.
    #[default]
    Bt601,
    /// ITU-R BT.709, which browsers make of canvases, and OBS of all.
    Bt709,
}

/// How planes become red, green and blue (ITU-T H.273 §8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Colours {
    /// How colours are told apart from brightness.
    pub matrix: Matrix,
    /// Whether 0 is black and 255 white, and not 16 and 235.
    pub full_range: bool,
}

impl Colours {
    /// What a stream tells with an access unit (ITU-T H.264 annex B): none where it goes on as before.
    pub(crate) fn of_access_unit(data: &[u8]) -> Option<Self> {
        let mut rest = data;
        while let Some(at) = rest.windows(3).position(|bytes| bytes == [0, 0, 1]) {
            rest = &rest[at + 3..];
            match rest.first()? & 0x1f {
                SEQUENCE_PARAMETERS => return Some(Self::of_parameters(&rest[1..]).unwrap_or_default()),
                1..=LAST_SLICE => return None,
                _ => {}
            }
        }
        None
    }

    /// What a sequence parameter set tells after its header byte (ITU-T H.264 §7.3.2.1.1, §E.1.1); none where it ends too early.
    fn of_parameters(parameters: &[u8]) -> Option<Self> {
        let bytes = without_emulation_prevention(parameters);
        let mut bits = Bits::of(&bytes);
        let profile = bits.number(8)?;
        bits.skip(16)?;
        bits.exp_golomb()?;
        if HIGH_PROFILES.contains(&profile) {
            pass_samples(&mut bits)?;
        }
        bits.exp_golomb()?;
        pass_order(&mut bits)?;
        bits.exp_golomb()?;
        bits.skip(1)?;
        // Width and height; fields, which have a flag more; and direct inference.
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        if !bits.flag()? {
            bits.skip(1)?;
        }
        bits.skip(1)?;
        if bits.flag()? {
            for _ in 0..4 {
                bits.exp_golomb()?;
            }
        }
        if !bits.flag()? {
            return Some(Self::default());
        }
        if bits.flag()? && bits.number(8)? == EXTENDED_RATIO {
            bits.skip(32)?;
        }
        if bits.flag()? {
            bits.skip(1)?;
        }
        if !bits.flag()? {
            return Some(Self::default());
        }
        bits.skip(3)?;
        let full_range = bits.flag()?;
        // Primaries, transfer, matrix.
        let matrix = if bits.flag()? && bits.number(24)? & 0xff == BT709 {
            Matrix::Bt709
        } else {
            Matrix::Bt601
        };
        Some(Self { matrix, full_range })
    }
}

/// ITU-T H.264 §7.4.1.1; the next NAL unit may follow, which nobody reads as far.
fn without_emulation_prevention(unit: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(unit.len().min(MOST_READ));
    for &byte in unit.iter().take(MOST_READ) {
        if !(byte == 3 && bytes.ends_with(&[0, 0])) {
            bytes.push(byte);
        }
    }
    bytes
}

/// Passes over the format of samples and their scaling lists.
fn pass_samples(bits: &mut Bits<'_>) -> Option<()> {
    let chroma = bits.exp_golomb()?;
    if chroma == 3 {
        bits.skip(1)?;
    }
    bits.exp_golomb()?;
    bits.exp_golomb()?;
    bits.skip(1)?;
    if !bits.flag()? {
        return Some(());
    }
    for list in 0..if chroma == 3 { 12 } else { 8 } {
        if !bits.flag()? {
            continue;
        }
        let (mut last, mut next) = (8, 8);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.signed_exp_golomb()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

/// Passes over how pictures are put in order.
fn pass_order(bits: &mut Bits<'_>) -> Option<()> {
    match bits.exp_golomb()? {
        0 => drop(bits.exp_golomb()?),
        1 => {
            bits.skip(1)?;
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            for _ in 0..bits.exp_golomb()? {
                bits.exp_golomb()?;
            }
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bits as they are written in the standard: numbers of a length, and numbers whose length is in them.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn bits(mut self, value: u64, count: u32) -> Self {
            self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
            self
        }

        fn golomb(self, values: &[u64]) -> Self {
            values.iter().fold(self, |writer, value| {
                let length = (value + 1).ilog2();
                writer.bits(0, length).bits(value + 1, length + 1)
            })
        }

        /// Up to what tells of usability: profile, and a size of 20 × 12 macroblocks.
        fn baseline() -> Self {
            Self::default()
                .bits(66 << 16 | 0xc0_1e, 24)
                .golomb(&[0, 4, 2, 1])
                .bits(0, 1)
                .golomb(&[19, 11])
                .bits(0b1_1_0, 3)
        }

        /// A signal of a range, and of a matrix if any.
        fn signal(self, full_range: bool, matrix: Option<u64>) -> Self {
            // There is something to tell; no aspect ratio, no overscan; a signal, of no format.
            let signal = self.bits(0b1_0_0_1, 4).bits(5, 3).bits(u64::from(full_range), 1);
            match matrix {
                Some(matrix) => signal.bits(1, 1).bits(1, 8).bits(1, 8).bits(matrix, 8),
                None => signal.bits(0, 1),
            }
        }

        /// An access unit that begins with these parameters.
        fn unit(self) -> Vec<u8> {
            let byte = |bits: &[bool]| {
                (0..8).fold(0, |byte, at| {
                    byte << 1 | u8::from(bits.get(at).copied().unwrap_or(true))
                })
            };
            let mut unit = vec![0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x67];
            for byte in self.0.chunks(8).map(byte) {
                if byte <= 3 && unit.ends_with(&[0, 0]) {
                    unit.push(3);
                }
                unit.push(byte);
            }
            [unit.as_slice(), &[0, 0, 1, 0x65, 1, 2, 3]].concat()
        }
    }

    const fn colours(matrix: Matrix, full_range: bool) -> Colours {
        Colours { matrix, full_range }
    }

    #[test]
    fn range_and_matrix_are_those_of_the_parameters() {
        for (full_range, matrix, expected) in [
            (true, Some(1), colours(Matrix::Bt709, true)),
            (false, Some(1), colours(Matrix::Bt709, false)),
            (false, Some(6), colours(Matrix::Bt601, false)),
            (true, Some(5), colours(Matrix::Bt601, true)),
            (true, Some(2), colours(Matrix::Bt601, true)),
            (true, None, colours(Matrix::Bt601, true)),
        ] {
            let unit = Writer::baseline().signal(full_range, matrix).unit();
            assert_eq!(
                Colours::of_access_unit(&unit),
                Some(expected),
                "{full_range}, {matrix:?}"
            );
        }
    }

    #[test]
    fn what_tells_nothing_is_as_cameras_are() {
        let silent = Writer::baseline().bits(0, 1).unit();
        let without_signal = Writer::baseline().bits(0b1_0_0_0, 4).unit();
        for unit in [silent, without_signal, vec![0, 0, 1, 0x67, 66]] {
            assert_eq!(Colours::of_access_unit(&unit), Some(Colours::default()));
        }
    }

    #[test]
    fn a_picture_without_parameters_goes_on_as_before() {
        for unit in [
            &[][..],
            &[0, 0, 1],
            &[0, 0, 0, 1, 0x41, 1, 0, 0, 1, 0x67, 66],
            &[0, 0, 1, 0x06, 5, 1],
        ] {
            assert_eq!(Colours::of_access_unit(unit), None, "{unit:02x?}");
        }
    }

    #[test]
    fn what_stands_before_the_signal_is_passed_over() {
        // High profile with two scaling lists, one of them cut short, the second kind of order, fields, a cropped picture, an aspect ratio in
        // numbers and overscan.
        let deltas: Vec<_> = [3, 0, 15].into_iter().chain([0; 13]).collect();
        let unit = Writer::default()
            .bits(100 << 16 | 0x28, 24)
            .golomb(&[0, 1, 0, 0])
            .bits(0b0_1, 2)
            .bits(1, 1)
            .golomb(&deltas)
            .bits(1, 1)
            .golomb(&[16])
            .bits(0, 6)
            .golomb(&[4, 1])
            .bits(0, 1)
            .golomb(&[2, 3, 2, 7, 8, 4])
            .bits(0, 1)
            .golomb(&[119, 67])
            .bits(0b0_1_1_1, 4)
            .golomb(&[0, 0, 0, 4])
            .bits(0b1_1, 2)
            .bits(255, 8)
            .bits(4 << 16 | 3, 32)
            .bits(0b1_1_1, 3)
            .bits(5, 3)
            .bits(0b1_1, 2)
            .bits(1, 24)
            .unit();
        assert_eq!(Colours::of_access_unit(&unit), Some(colours(Matrix::Bt709, true)));
    }

    #[test]
    fn our_own_encoder_tells_what_frames_hold() {
        use crate::units::{Bitrate, Resolution};
        use crate::video::encoder::{Encoder, EncoderTarget};
        use crate::video::frame::Frame;

        let target = EncoderTarget {
            bitrate: Bitrate::from_kbps(500),
            fps: 30.0,
        };
        let unit = Encoder::new(target).encode(&Frame::black(Resolution::new(320, 180)));
        let unit = unit.expect("encodes").expect("a keyframe");
        assert_eq!(Colours::of_access_unit(&unit.data), Some(Colours::default()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_panic(mut unit in prop::collection::vec(any::<u8>(), 0..200)) {
            Colours::of_access_unit(&unit);
            unit.splice(0..0, [0, 0, 1, 0x67, 100]);
            Colours::of_access_unit(&unit);
        }
    }
}
