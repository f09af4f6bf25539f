//! The bits of a header, the highest of each byte first.

/// Reads them one after the other; none once they are over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// A number of up to 32 bits.
    pub(super) fn number(&mut self, bits: u32) -> Option<u32> {
        (0..bits).try_fold(0, |number, _| Some(number << 1 | u32::from(self.flag()?)))
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// Passes over so many.
    pub(super) fn skip(&mut self, bits: u32) -> Option<()> {
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
        let mut all = Bits::of(&[0xff; 4]);
        assert_eq!(all.number(32), Some(u32::MAX));
        assert_eq!(all.flag(), None);
    }
}
