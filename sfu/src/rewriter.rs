//! One continuous line of sequence numbers and timestamps, whatever is sent along it.
//!
//! A receiver binds its jitter buffer, loss statistics and SRTP rollover counter to one SSRC. When the slot behind that
//! SSRC shows somebody else, or its publisher reconnects, the numbers must run on as if nothing had happened: no gap
//! (it would be asked for by NACK and never come) and no jump back (it would be dropped as a replay, RFC 3711 §3.3.2).

use std::time::{Duration, Instant};

use crate::TrackId;

/// First sequence number on a line. SRTP starts its rollover counter at 0 (RFC 3711 §3.3.1), so it must be below 2^16;
/// low, so that the first rollover is far away.
const FIRST_SEQUENCE_NUMBER: u64 = 1;

/// Least step of the timestamp from one source to the next: below it two frames would be taken for one.
const LEAST_STEP: Duration = Duration::from_millis(1);

/// Longest silence that is carried into the timestamp. Beyond half of the 32-bit circle (6.6 hours at 90 kHz) a
/// receiver reads a step forward as one backward.
const LONGEST_STEP: Duration = Duration::from_hours(1);

/// Whose packets run along the line: a layer of a track, and how often that track has restarted its own numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbering {
    pub(crate) track: TrackId,
    pub(crate) epoch: u32,
    pub(crate) layer: u8,
}

/// A packet's place in the numbering of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Extended sequence number.
    pub(crate) sequence_number: u64,
    pub(crate) timestamp: u32,
}

/// A stretch of packets of one source without anything left out on purpose.
#[derive(Debug)]
struct Segment {
    numbering: Numbering,
    first_in: u64,
    first_out: u64,
    timestamp_offset: u32,
}

/// Maps the numbering of changing sources onto one line.
#[derive(Debug, Default)]
pub(crate) struct Rewriter {
    segment: Option<Segment>,
    /// One past the highest sequence number given out.
    next_out: Option<u64>,
    /// The newest timestamp given out, and when.
    newest: Option<(u32, Instant)>,
}

impl Rewriter {
    /// Starts a segment with a packet at `place` that arrives at `now`: it follows directly on whatever came before.
    /// `clock_rate` is in hertz.
    pub(crate) fn begin(&mut self, numbering: Numbering, place: Place, clock_rate: u32, now: Instant) {
        let timestamp_offset = match (&self.segment, self.newest) {
            // A source that goes on after a pause knows best how long it was.
            (Some(segment), _) if segment.numbering == numbering => segment.timestamp_offset,
            (_, Some((newest, at))) => {
                let step = now.saturating_duration_since(at).clamp(LEAST_STEP, LONGEST_STEP);
                let ticks = (step.as_micros() * u128::from(clock_rate) / 1_000_000) as u32;
                newest.wrapping_add(ticks).wrapping_sub(place.timestamp)
            }
            (_, None) => 0,
        };
        self.segment = Some(Segment {
            numbering,
            first_in: place.sequence_number,
            first_out: self.next_out.unwrap_or(FIRST_SEQUENCE_NUMBER),
            timestamp_offset,
        });
    }

    /// Leaves the number before the first of the segment that has just begun to a packet that its source does not have.
    pub(crate) fn leave_room(&mut self) {
        if let Some(segment) = &mut self.segment {
            segment.first_out += 1;
        }
    }

    /// Whether `numbering` is the one that [`Self::begin`] was last called for.
    pub(crate) fn follows(&self, numbering: Numbering) -> bool {
        self.segment
            .as_ref()
            .is_some_and(|segment| segment.numbering == numbering)
    }

    /// Where a packet of the current source goes on the line. `None` for one from before the segment, which would take
    /// a number that is already spent.
    pub(crate) fn rewrite(&mut self, place: Place, now: Instant) -> Option<Place> {
        let segment = self.segment.as_ref()?;
        let distance = place.sequence_number.checked_sub(segment.first_in)?;
        let sequence_number = segment.first_out.checked_add(distance)?;
        let timestamp = place.timestamp.wrapping_add(segment.timestamp_offset);

        self.next_out = Some(
            self.next_out
                .map_or(sequence_number + 1, |next| next.max(sequence_number + 1)),
        );
        let is_newest = self
            .newest
            .is_none_or(|(newest, _)| timestamp.wrapping_sub(newest) < 1 << 31);
        if is_newest {
            self.newest = Some((timestamp, now));
        }
        Some(Place {
            sequence_number,
            timestamp,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WorkerId;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const VIDEO: u32 = 90_000;

    fn numbering(track: u64, epoch: u32) -> Numbering {
        Numbering {
            track: TrackId::new(WorkerId(0), track),
            epoch,
            layer: 0,
        }
    }

    fn place(sequence_number: u64, timestamp: u32) -> Place {
        Place {
            sequence_number,
            timestamp,
        }
    }

    #[test]
    fn a_change_of_source_leaves_no_gap_and_moves_time_by_what_has_passed() {
        let start = Instant::now();
        let mut line = Rewriter::default();
        line.begin(numbering(1, 0), place(60_000, 5_000), VIDEO, start);
        assert_eq!(line.rewrite(place(60_000, 5_000), start), Some(place(1, 5_000)));
        assert_eq!(line.rewrite(place(60_001, 8_000), start), Some(place(2, 8_000)));

        let later = start + Duration::from_secs(2);
        line.begin(numbering(2, 0), place(7, 4_000_000_000), VIDEO, later);
        assert_eq!(
            line.rewrite(place(7, 4_000_000_000), later),
            Some(place(3, 8_000 + 2 * VIDEO))
        );
        assert!(line.follows(numbering(2, 0)) && !line.follows(numbering(1, 0)));
    }

    #[test]
    fn a_source_that_pauses_keeps_its_own_time() {
        let start = Instant::now();
        let mut line = Rewriter::default();
        line.begin(numbering(1, 0), place(10, 0), VIDEO, start);
        line.rewrite(place(10, 0), start);
        let later = start + Duration::from_secs(1);
        line.begin(numbering(1, 0), place(50, 93_000), VIDEO, later);
        assert_eq!(line.rewrite(place(50, 93_000), later), Some(place(2, 93_000)));
    }

    #[test]
    fn late_packets_fill_their_own_gap_and_nothing_before_the_segment() {
        let now = Instant::now();
        let mut line = Rewriter::default();
        line.begin(numbering(1, 0), place(100, 0), VIDEO, now);
        assert_eq!(line.rewrite(place(100, 0), now), Some(place(1, 0)));
        assert_eq!(line.rewrite(place(103, 0), now), Some(place(4, 0)));
        assert_eq!(line.rewrite(place(101, 0), now), Some(place(2, 0)));
        assert_eq!(line.rewrite(place(99, 0), now), None);
        line.begin(numbering(2, 0), place(0, 0), VIDEO, now);
        assert_eq!(line.rewrite(place(0, 0), now).map(|p| p.sequence_number), Some(5));
    }

    #[test]
    fn timestamps_wrap() {
        let now = Instant::now();
        let mut line = Rewriter::default();
        line.begin(numbering(1, 0), place(0, u32::MAX - 10), VIDEO, now);
        line.rewrite(place(0, u32::MAX - 10), now);
        assert_eq!(line.rewrite(place(1, 2_990), now), Some(place(2, 2_990)));
        let later = now + Duration::from_millis(100);
        line.begin(numbering(2, 0), place(0, u32::MAX), VIDEO, later);
        assert_eq!(line.rewrite(place(0, u32::MAX), later), Some(place(3, 11_990)));
    }

    #[test]
    fn a_long_silence_never_reads_as_a_step_back() {
        let now = Instant::now();
        let mut line = Rewriter::default();
        line.begin(numbering(1, 0), place(0, 0), VIDEO, now);
        line.rewrite(place(0, 0), now);
        let next_day = now + Duration::from_hours(24);
        line.begin(numbering(2, 0), place(0, 77), VIDEO, next_day);
        let out = line.rewrite(place(0, 77), next_day).expect("in the segment");
        assert!(out.timestamp > 0 && out.timestamp < 1 << 31);
    }

    proptest! {
        /// Whatever the sources do, no number is given out twice, and the line has gaps only where a source had them.
        #[test]
        fn no_number_is_spent_twice(
            segments in vec((0_u64..1 << 40, any::<u32>(), vec(0_u64..200, 1..40)), 1..8)
        ) {
            let now = Instant::now();
            let mut line = Rewriter::default();
            let mut spent = std::collections::HashSet::new();
            let mut expected_first = FIRST_SEQUENCE_NUMBER;
            for (index, (base, timestamp, offsets)) in segments.into_iter().enumerate() {
                let first = place(base, timestamp);
                line.begin(numbering(index as u64, 0), first, VIDEO, now);
                let out = line.rewrite(first, now).expect("the first of its segment");
                prop_assert_eq!(out.sequence_number, expected_first);
                let mut seen = std::collections::HashSet::from([0]);
                spent.insert(out.sequence_number);
                let mut highest = 0;
                for offset in offsets {
                    // The engine below hands each packet over once.
                    if seen.insert(offset) {
                        let out = line.rewrite(place(base + offset, timestamp), now).expect("inside its segment");
                        prop_assert!(spent.insert(out.sequence_number));
                        highest = highest.max(offset);
                    }
                }
                expected_first += highest + 1;
            }
        }
    }
}
