//! What arrived, counted.

use std::time::Duration;

use hdrhistogram::Histogram;

/// A number this far from the last one belongs to a stream that began anew, not to one that lost or kept packets: a
/// receiver could not tell them apart either, half the RTP sequence space being 2¹⁵.
const RESTART_DISTANCE: u32 = 1 << 16;

/// Durations above this are recorded as this.
const LONGEST: Duration = Duration::from_mins(1);

/// A run of numbers in which gaps are losses.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    highest: Option<u32>,
}

/// What an arrival is to the numbers before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The first, or the first of a stream that began anew.
    Anew,
    /// The highest, after so many that were skipped.
    Ahead(u32),
    /// One that was skipped before.
    Behind,
}

impl Numbers {
    /// Notes an arrival.
    pub(crate) fn arrived(&mut self, number: u32) -> Step {
        let Some(highest) = self.highest else {
            self.highest = Some(number);
            return Step::Anew;
        };
        let ahead = number.wrapping_sub(highest);
        let behind = highest.wrapping_sub(number);
        if behind < RESTART_DISTANCE {
            return Step::Behind;
        }
        self.highest = Some(number);
        if ahead < RESTART_DISTANCE {
            Step::Ahead(ahead - 1)
        } else {
            Step::Anew
        }
    }
}

/// A worker's sums over all its peers.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) packets: u64,
    /// RTP payload and header, as sealed: what UDP carried.
    pub(crate) bytes: u64,
    /// Numbers of the publisher that were skipped when a later one arrived.
    pub(crate) missing: u64,
    /// Those that came afterwards.
    pub(crate) late: u64,
    /// RTP sequence numbers that were skipped: what the server sent and the network lost.
    pub(crate) sequence_gaps: u64,
    /// Packets without a stamp.
    pub(crate) unstamped: u64,
    /// From the publisher's stamp to the kernel's, in nanoseconds.
    pub(crate) delay: Histogram<u64>,
    /// Packets that publishers sent.
    pub(crate) sent: u64,
    /// Datagrams that the own sockets would not take.
    pub(crate) unsent: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            packets: 0,
            bytes: 0,
            missing: 0,
            late: 0,
            sequence_gaps: 0,
            unstamped: 0,
            delay: histogram(),
            sent: 0,
            unsent: 0,
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.missing += other.missing;
        self.late += other.late;
        self.sequence_gaps += other.sequence_gaps;
        self.unstamped += other.unstamped;
        self.sent += other.sent;
        self.unsent += other.unsent;
        for value in other.delay.iter_recorded() {
            self.delay
                .saturating_record_n(value.value_iterated_to(), value.count_at_value());
        }
    }
}

/// Nanoseconds up to [`LONGEST`], three digits kept.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, crate::probe::as_ns(LONGEST), 3)
        .expect("the bounds are constants that the library accepts")
}

#[cfg(test)]
mod tests {
    use super::*;

    use Step::{Ahead, Anew, Behind};

    fn arrivals(numbers: &[u32]) -> Vec<Step> {
        let mut state = Numbers::default();
        numbers.iter().map(|number| state.arrived(*number)).collect()
    }

    #[test]
    fn a_gap_is_counted_once_and_filled_by_what_comes_late() {
        assert_eq!(
            arrivals(&[7, 8, 11, 9, 10, 12]),
            [Anew, Ahead(0), Ahead(2), Behind, Behind, Ahead(0)]
        );
    }

    #[test]
    fn numbers_go_round() {
        assert_eq!(arrivals(&[u32::MAX - 1, u32::MAX, 1]), [Anew, Ahead(0), Ahead(1)]);
    }

    #[test]
    fn a_stream_that_begins_anew_lost_nothing() {
        assert_eq!(arrivals(&[500_000, 0, 1, 3]), [Anew, Anew, Ahead(0), Ahead(1)]);
    }

    #[test]
    fn sums_keep_every_delay() {
        let (mut left, mut right) = (Tally::new(), Tally::new());
        left.delay.saturating_record(1_000);
        right.delay.saturating_record(2_000);
        right.packets = 3;
        left.add(&right);
        assert_eq!((left.delay.len(), left.packets), (2, 3));
    }
}
