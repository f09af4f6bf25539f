//! Which packets of a video stream are missing, and when to ask for them (RFC 4585 §6.2.1).
//!
//! Asked at once and again after a round trip, then at longer and longer intervals, as libwebrtc's `nack_requester` does:
//! whoever did not answer may be short of bandwidth. webrtc-rs' own generator asks at a fixed interval. The server bounds
//! what it sends again, so that a question that is asked twice in one round trip costs an answer that is needed elsewhere.

use std::collections::BTreeMap;

use crate::subscribe::micros::{MILLISECOND, Micros};

/// Packets that overtake each other are no loss: a gap is asked about when this much newer has arrived, or after
/// [`REORDERING`].
const OVERTAKEN_BY: i64 = 3;

/// See [`OVERTAKEN_BY`].
const REORDERING: Micros = 10 * MILLISECOND;

/// Between two questions for one packet, at least; the round trip where it is longer.
const LEAST_INTERVAL: Micros = 20 * MILLISECOND;

/// Before a round trip has been measured.
const ASSUMED_ROUND_TRIP: Micros = 50 * MILLISECOND;

/// Questions for one packet. At a loss of one in five, one packet in 2,000 is still missing after eight of them, both ways
/// counted.
const MOST_QUESTIONS: u8 = 8;

/// Missing packets that are kept track of: half a keyframe of a megabyte. More are no loss that can be repaired.
const MOST_MISSING: usize = 400;

#[derive(Debug, Clone, Copy)]
struct Missing {
    since: Micros,
    asked: Option<Micros>,
    questions: u8,
}

/// Keeps track of one stream.
#[derive(Debug, Default)]
pub(crate) struct NackTracker {
    newest: Option<i64>,
    missing: BTreeMap<i64, Missing>,
}

impl NackTracker {
    /// Takes in the extended number of a packet that came at `now`, sent for the first time or again.
    pub(crate) fn arrived(&mut self, sequence: i64, now: Micros) {
        self.missing.remove(&sequence);
        let Some(newest) = self.newest else {
            self.newest = Some(sequence);
            return;
        };
        if sequence <= newest {
            return;
        }
        self.newest = Some(sequence);
        let lost = sequence - newest - 1;
        if lost > MOST_MISSING as i64 {
            self.missing.clear();
            return;
        }
        for number in newest + 1..sequence {
            let missing = Missing {
                since: now,
                asked: None,
                questions: 0,
            };
            self.missing.insert(number, missing);
        }
        while self.missing.len() > MOST_MISSING {
            self.missing.pop_first();
        }
    }

    /// Nothing before `sequence` is needed any more.
    pub(crate) fn forget_before(&mut self, sequence: i64) {
        self.missing = self.missing.split_off(&sequence);
    }

    /// What to ask for at `now`.
    pub(crate) fn due(&mut self, now: Micros, round_trip: Option<Micros>) -> Vec<i64> {
        let interval = round_trip.unwrap_or(ASSUMED_ROUND_TRIP).max(LEAST_INTERVAL);
        let newest = self.newest.unwrap_or_default();
        self.missing.retain(|_, missing| missing.questions < MOST_QUESTIONS);
        let mut due = Vec::new();
        for (&number, missing) in &mut self.missing {
            let is_due = match missing.asked {
                None => newest - number >= OVERTAKEN_BY || now - missing.since >= REORDERING,
                Some(asked) => now - asked >= interval * (1 + Micros::from(missing.questions / 2)),
            };
            if is_due {
                missing.asked = Some(now);
                missing.questions += 1;
                due.push(number);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(numbers: &[i64]) -> NackTracker {
        let mut tracker = NackTracker::default();
        for number in numbers {
            tracker.arrived(*number, 0);
        }
        tracker
    }

    #[test]
    fn a_gap_is_asked_about_once_it_is_no_reordering() {
        let mut tracker = after(&[10, 12]);
        assert!(tracker.due(0, None).is_empty());
        tracker.arrived(14, 0);
        assert_eq!(tracker.due(0, None), [11], "three newer ones are there");
        assert_eq!(tracker.due(REORDERING, None), [13]);
        let mut reordered = after(&[10, 12, 11]);
        assert!(reordered.due(10 * REORDERING, None).is_empty());
    }

    #[test]
    fn it_is_asked_again_after_a_round_trip_then_less_often_and_not_for_ever() {
        let mut tracker = after(&[1, 3]);
        let round_trip = Some(100 * MILLISECOND);
        let asked = (0..2_000)
            .filter(|ms| !tracker.due(ms * MILLISECOND, round_trip).is_empty())
            .collect::<Vec<_>>();
        assert_eq!(asked, [10, 110, 310, 510, 810, 1_110, 1_510, 1_910]);
        assert!(tracker.missing.is_empty());
    }

    #[test]
    fn what_arrives_or_is_passed_is_not_asked_for() {
        let mut tracker = after(&[1, 5]);
        tracker.arrived(3, 0);
        tracker.forget_before(3);
        assert_eq!(tracker.due(MILLISECOND * 50, None), [4]);
    }

    #[test]
    fn a_jump_of_the_line_is_no_loss() {
        let mut tracker = after(&[1, 5_000]);
        assert!(tracker.due(MILLISECOND * 50, None).is_empty());
        for number in (6_000..8_000).step_by(2) {
            tracker.arrived(number, 0);
        }
        assert!(tracker.missing.len() <= MOST_MISSING);
    }
}
