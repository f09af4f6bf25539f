//! Keyframe requests: merged, and limited in rate.
//!
//! A keyframe costs a publisher's encoder ten times an ordinary frame. When a hundred viewers join, or lose the same
//! packet, one keyframe serves them all.

use std::time::{Duration, Instant};

/// Least time between two requests to a publisher for one layer of a track.
pub(crate) const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);

/// Least time between two requests that one worker passes to another for one layer. The publisher's worker applies
/// [`KEYFRAME_INTERVAL`] to all of them; this one only keeps a flood of feedback off the channel between workers.
pub(crate) const RELAY_INTERVAL: Duration = Duration::from_millis(50);

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Send it now.
    Send,
    /// It will be sent when the interval ends: see [`Throttle::due`].
    Later,
    /// An earlier one that waits answers it too.
    Merged,
}

/// Merges requests and spaces them by at least an interval. A request is never lost: one that comes too early is sent
/// when its time has come.
#[derive(Debug)]
pub(crate) struct Throttle {
    interval: Duration,
    last: Option<Instant>,
    waiting: bool,
}

impl Throttle {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            last: None,
            waiting: false,
        }
    }

    pub(crate) fn request(&mut self, now: Instant) -> Verdict {
        if self.waiting {
            return Verdict::Merged;
        }
        if self.last.is_some_and(|last| now < last + self.interval) {
            self.waiting = true;
            return Verdict::Later;
        }
        self.last = Some(now);
        Verdict::Send
    }

    /// When the waiting request may go, if there is one.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.last.filter(|_| self.waiting).map(|last| last + self.interval)
    }

    /// Takes the waiting request if its time has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> bool {
        let is_due = self.due().is_some_and(|due| due <= now);
        if is_due {
            self.waiting = false;
            self.last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn a_request_within_the_interval_is_sent_once_when_it_ends() {
        let start = Instant::now();
        let mut throttle = Throttle::new(KEYFRAME_INTERVAL);
        assert_eq!(throttle.request(start), Verdict::Send);
        assert_eq!(throttle.request(start + Duration::from_millis(100)), Verdict::Later);
        assert_eq!(throttle.request(start + Duration::from_millis(200)), Verdict::Merged);
        assert_eq!(throttle.due(), Some(start + KEYFRAME_INTERVAL));
        assert!(!throttle.take_due(start + Duration::from_millis(499)));
        assert!(throttle.take_due(start + KEYFRAME_INTERVAL));
        assert!(!throttle.take_due(start + 2 * KEYFRAME_INTERVAL));
        assert_eq!(throttle.due(), None);
    }

    proptest! {
        #[test]
        fn sends_are_spaced_and_no_request_stays_unanswered(
            steps in vec((0_u64..400, any::<bool>()), 1..200)
        ) {
            let mut now = Instant::now();
            let mut throttle = Throttle::new(KEYFRAME_INTERVAL);
            let mut sent: Option<Instant> = None;
            let mut unanswered_since: Option<Instant> = None;
            for (pause, request) in steps {
                now += Duration::from_millis(pause);
                let mut sends = u32::from(throttle.take_due(now));
                if sends > 0 {
                    unanswered_since = None;
                }
                if request {
                    if throttle.request(now) == Verdict::Send {
                        sends += 1;
                    } else {
                        unanswered_since.get_or_insert(now);
                    }
                }
                if sends > 0 {
                    prop_assert!(sends == 1 && sent.is_none_or(|at| now - at >= KEYFRAME_INTERVAL));
                    sent = Some(now);
                }
                prop_assert_eq!(throttle.due().is_some(), unanswered_since.is_some());
            }
        }
    }
}
