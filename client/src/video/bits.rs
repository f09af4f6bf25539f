//! The bits of a header, the highest of each byte first.

/// Reads them one after the other; none once they are over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// A number of up to 32 bits.
    pub(crate) fn number(&mut self, bits: u32) -> Option<u32> {
        (0..bits).try_fold(0, |number, _| Some(number << 1 | u32::from(self.flag()?)))
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// A number that tells its own length: `ue(v)` (ITU-T H.264 §9.1).
    pub(crate) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
        }
        // The one that was read, and as many bits as there were zeros; more than 31 are in no standard.
        let offset = 1_u32.checked_shl(zeros)? - 1;
        Some(offset + self.number(zeros)?)
    }

    /// The same with a sign: `se(v)` (ITU-T H.264 §9.1.1).
    pub(crate) fn signed_exp_golomb(&mut self) -> Option<i32> {
        let number = i64::from(self.exp_golomb()?);
        let size = (number + 1) / 2;
        i32::try_from(if number % 2 == 0 { -size } else { size }).ok()
    }

    /// Passes over so many.
    pub(crate) fn skip(&mut self, bits: u32) -> Option<()> {
        (0..bits).try_for_each(|_| self.flag().map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_one_another_and_end() {
        let mut bits = Bits::of(&[0b1010_0000, 0xff, 0x01]);
        assert_eq!(bits.flag(), Some(true));
        assert_eq!(bits.number(2), Some(1));
        assert_eq!(bits.number(0), Some(0));
        assert_eq!(bits.number(9), Some(0b0_0000_1111));
        assert_eq!(bits.skip(4), Some(()));
        assert_eq!(bits.number(9), None);
        // 1, 010, 011, 00100, 00101.
        let written = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut numbers = Bits::of(&written);
        assert_eq!(
            [(); 5].map(|()| numbers.exp_golomb()),
            [Some(0), Some(1), Some(2), Some(3), Some(4)]
        );
        assert_eq!(numbers.exp_golomb(), None);
        let mut signed = Bits::of(&written);
        let signed = [(); 5].map(|()| signed.signed_exp_golomb());
        assert_eq!(signed, [Some(0), Some(1), Some(-1), Some(2), Some(-2)]);
        let longest = [[0; 4], [0x80, 0, 0, 0], [0xff; 4]].concat();
        assert_eq!(Bits::of(&longest).exp_golomb(), None, "32 zeros");
        let mut largest = Bits::of(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(largest.exp_golomb(), Some(u32::MAX - 1));
        let mut all = Bits::of(&[0xff; 4]);
        assert_eq!(all.number(32), Some(u32::MAX));
        assert_eq!(all.flag(), None);
    }
}
