//! The least that a figure was for a while.

use std::time::{Duration, Instant};

/// What is known is the least of the last one to two of these.
const SPAN: Duration = Duration::from_secs(5);

/// Remembers two spans, the one under way and the one before it.
#[derive(Debug, Default)]
pub(crate) struct Lowest {
    began: Option<Instant>,
    now: u64,
    before: Option<u64>,
}

impl Lowest {
    /// Takes in what the figure is now. `None` as long as it is not known for a whole while.
    pub(crate) fn note(&mut self, figure: u64, now: Instant) -> Option<u64> {
        match self.began.map(|began| now.saturating_duration_since(began)) {
            Some(time) if time < SPAN => self.now = self.now.min(figure),
            // Nobody looked for so long that nothing is known of it.
            Some(time) if time >= 2 * SPAN => *self = Self::beginning(figure, now, None),
            Some(_) => *self = Self::beginning(figure, now, Some(self.now)),
            None => *self = Self::beginning(figure, now, None),
        }
        self.before.map(|before| before.min(self.now))
    }

    fn beginning(figure: u64, now: Instant, before: Option<u64>) -> Self {
        Self {
            began: Some(now),
            now: figure,
            before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_before_a_while_has_passed_nor_after_nobody_looked() {
        let (mut lowest, start) = (Lowest::default(), Instant::now());
        let mut at = |millis| lowest.note(7, start + Duration::from_millis(millis));
        assert_eq!([at(0), at(2_500), at(4_999)], [None; 3]);
        assert_eq!([at(5_000), at(9_000)], [Some(7); 2]);
        assert_eq!([at(20_000), at(24_000)], [None; 2]);
        assert_eq!(at(25_500), Some(7));
    }

    #[test]
    fn a_dip_counts_for_a_while_and_no_longer_than_two() {
        let (mut lowest, start) = (Lowest::default(), Instant::now());
        for second in 0..60_u32 {
            let figure = if second == 30 { 3 } else { 7 };
            let least = lowest.note(figure, start + second * Duration::from_secs(1));
            let expected = match second {
                0..5 => None,
                30..35 => Some(3),
                40.. | 5..30 => Some(7),
                35..40 => continue,
            };
            assert_eq!(least, expected, "{second}");
        }
    }
}
