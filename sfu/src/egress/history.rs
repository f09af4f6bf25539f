//! What a slot has sent, for as long as its viewer may ask for it again (RFC 4585 §6.2.1, RFC 4588).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::media::Pt;
use str0m::rtp::VideoOrientation;

use super::Forward;
use crate::alteration::Alteration;

/// A second of 8 Mb/s video in packets of 1,100 bytes are 910. It bounds the memory that a viewer can take; payloads are
/// shared by all who watch.
const MOST_PACKETS: usize = 1024;

/// Nobody waits longer for a retransmission: the jitter buffer has given up and asked for a keyframe. Two requests and
/// their answers fit, over half the world; browsers keep as long for each other (libwebrtc's `RtpPacketHistory`).
const LONGEST: Duration = Duration::from_secs(1);

/// What is needed of a packet to send it again.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) sequence_number: u64,
    pub(super) payload: Arc<[u8]>,
    pub(super) alteration: Alteration,
    sent_at: Instant,
    /// Since it was first sent, in ms, when it was last sent again; 0: never.
    again: u16,
    pub(super) timestamp: u32,
    pub(super) payload_type: Pt,
    pub(super) marker: bool,
    pub(super) orientation: Option<VideoOrientation>,
}

/// Packets in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct History {
    kept: VecDeque<Kept>,
    /// Where the layer that is sent now begins.
    first: u64,
}

impl History {
    /// Keeps a packet that went out by this number, extended.
    pub(super) fn keep(&mut self, forward: &Forward, sequence_number: u64, now: Instant) {
        while self.kept.len() >= MOST_PACKETS
            || self
                .kept
                .front()
                .is_some_and(|oldest| now.saturating_duration_since(oldest.sent_at) > LONGEST)
        {
            self.kept.pop_front();
        }
        let kept = Kept {
            sequence_number,
            payload: forward.payload.clone(),
            alteration: forward.alteration,
            sent_at: now,
            again: 0,
            timestamp: forward.timestamp,
            payload_type: forward.payload_type,
            marker: forward.marker,
            orientation: forward.extensions.video_orientation,
        };
        // Publishers' packets come a little out of order.
        let behind = self
            .kept
            .iter()
            .rev()
            .take_while(|other| other.sequence_number > kept.sequence_number)
            .count();
        self.kept.insert(self.kept.len() - behind, kept);
    }

    /// Another layer or track begins with this number, and with a keyframe. What was before is of no use any more, and on
    /// a line that has become too narrow for it would take that keyframe's room.
    pub(super) fn begin(&mut self, sequence_number: u64) {
        self.first = sequence_number;
        self.kept.clear();
    }

    /// Whether a packet with this number is still of use.
    pub(super) fn is_of_use(&self, sequence_number: u64) -> bool {
        sequence_number >= self.first
    }

    /// The packet with this number, if it is still here and was not sent again within `pause`. It counts as sent again now.
    pub(super) fn again(&mut self, sequence_number: u16, pause: Duration, now: Instant) -> Option<Kept> {
        let newest = self.kept.back()?.sequence_number;
        let below = u64::from((newest as u16).wrapping_sub(sequence_number));
        let wanted = newest.checked_sub(below)?;
        let at = self
            .kept
            .binary_search_by_key(&wanted, |kept| kept.sequence_number)
            .ok()?;
        let kept = self.kept.get_mut(at)?;
        let age = now.saturating_duration_since(kept.sent_at);
        if age > LONGEST {
            return None;
        }
        let age = age.as_millis() as u16;
        let is_too_soon = kept.again > 0 && u128::from(age.saturating_sub(kept.again)) < pause.as_millis();
        if is_too_soon {
            return None;
        }
        kept.again = age.max(1);
        Some(kept.clone())
    }

    /// A packet to fill the line with, one of the newest, the n-th for n.
    pub(super) fn filling(&self, number: usize) -> Option<&Kept> {
        const NEWEST: usize = 16;
        let newest = self.kept.len().min(NEWEST);
        let at = self.kept.len().checked_sub(1 + number.checked_rem(newest)?)?;
        self.kept.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::Extensions;

    fn forward(sequence_number: u64) -> Forward {
        Forward {
            ssrc: 1.into(),
            payload_type: Pt::from(96),
            sequence_number,
            timestamp: 0,
            marker: false,
            captured_at: Instant::now(),
            extensions: Extensions::default(),
            nackable: true,
            has_switched: false,
            payload: vec![1].into(),
            alteration: Alteration::None,
        }
    }

    #[test]
    fn packets_are_found_across_the_rollover_and_out_of_order() {
        let now = Instant::now();
        let mut history = History::default();
        for number in [0xfffe, 0x1_0000, 0xffff, 0x1_0002, 0x1_0001] {
            history.keep(&forward(number), number, now);
        }
        for (asked, found) in [(0xfffe, 0xfffe), (0xffff, 0xffff), (0, 0x1_0000), (2, 0x1_0002)] {
            let kept = history.again(asked, Duration::ZERO, now).expect("kept");
            assert_eq!(kept.sequence_number, found);
        }
        assert!(history.again(3, Duration::ZERO, now).is_none());
        assert!(history.again(0xfffd, Duration::ZERO, now).is_none());
    }

    #[test]
    fn nothing_is_sent_again_before_the_last_time_can_have_arrived() {
        let now = Instant::now();
        let pause = Duration::from_millis(80);
        let mut history = History::default();
        history.keep(&forward(1), 1, now);
        let after = |millis| now + Duration::from_millis(millis);
        assert!(history.again(1, pause, after(100)).is_some());
        assert!(history.again(1, pause, after(150)).is_none());
        assert!(history.again(1, pause, after(181)).is_some());
        assert!(history.again(1, pause, after(1_100)).is_none(), "too old");
    }

    #[test]
    fn what_was_before_a_change_of_layer_is_not_sent_again() {
        let now = Instant::now();
        let mut history = History::default();
        for number in 1..=3 {
            history.keep(&forward(number), number, now);
        }
        let queued = history.again(2, Duration::ZERO, now).expect("kept");
        history.begin(4);
        assert!(!history.is_of_use(queued.sequence_number));
        for number in [4, 6, 5] {
            history.keep(&forward(number), number, now);
        }
        let found = [2, 3, 4, 5, 6].map(|number| history.again(number, Duration::ZERO, now).is_some());
        assert_eq!(found, [false, false, true, true, true]);
    }

    #[test]
    fn it_is_bounded_in_number_and_age() {
        let now = Instant::now();
        let mut history = History::default();
        for number in 0..3_000 {
            history.keep(&forward(number), number, now);
        }
        assert_eq!(history.kept.len(), MOST_PACKETS);
        history.keep(&forward(3_000), 3_000, now + 2 * LONGEST);
        assert_eq!(history.kept.len(), 1);
        assert!(history.filling(5).is_some_and(|kept| kept.sequence_number == 3_000));
    }
}
