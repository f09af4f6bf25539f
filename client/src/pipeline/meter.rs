//! What passed during the last second.

use std::{collections::VecDeque, time::Duration};

use crate::{clock::MediaTime, units::Bitrate};

/// Span of the figures.
const WINDOW: Duration = Duration::from_secs(1);
/// Most events remembered: four times what a camera of 120 fps delivers in the window.
const MAX_EVENTS: usize = 480;

/// Counts, bytes and time spent over the last second.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    events: VecDeque<Event>,
    started: Option<MediaTime>,
}

#[derive(Debug)]
struct Event {
    at: MediaTime,
    bytes: usize,
    spent: Duration,
}

impl Meter {
    pub(crate) fn record(&mut self, at: MediaTime, bytes: usize, spent: Duration) {
        self.started.get_or_insert(at);
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(Event { at, bytes, spent });
        self.forget(at);
    }

    fn forget(&mut self, now: MediaTime) {
        while self
            .events
            .front()
            .is_some_and(|event| now.saturating_since(event.at) >= WINDOW)
        {
            self.events.pop_front();
        }
    }

    /// Whether a whole window has passed since the first event, so that [`Meter::per_second`] means something.
    pub(crate) fn is_settled(&self, now: MediaTime) -> bool {
        self.started
            .is_some_and(|started| now.saturating_since(started) >= WINDOW)
    }

    /// Events per second.
    pub(crate) fn per_second(&mut self, now: MediaTime) -> f32 {
        self.forget(now);
        self.events.len() as f32 / WINDOW.as_secs_f32()
    }

    pub(crate) fn bitrate(&mut self, now: MediaTime) -> Bitrate {
        self.forget(now);
        let bits = self.events.iter().map(|event| event.bytes as u64 * 8).sum::<u64>() / WINDOW.as_secs();
        Bitrate::from_bps(u32::try_from(bits).unwrap_or(u32::MAX))
    }

    /// Mean time spent on one event.
    pub(crate) fn mean_spent(&mut self, now: MediaTime) -> Duration {
        self.forget(now);
        let total: Duration = self.events.iter().map(|event| event.spent).sum();
        total / (self.events.len() as u32).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_last_second() {
        let mut meter = Meter::default();
        let time = |ms| MediaTime::from_duration(Duration::from_millis(ms));
        for n in 0..60 {
            meter.record(time(n * 50), 1_000, Duration::from_millis(if n < 30 { 100 } else { 4 }));
        }
        let now = time(2_950);
        assert!(meter.is_settled(now));
        assert_eq!(meter.per_second(now).round() as u32, 20);
        assert_eq!(meter.bitrate(now), Bitrate::from_kbps(160));
        assert_eq!(meter.mean_spent(now), Duration::from_millis(4));
        assert_eq!(meter.per_second(time(10_000)).round() as u32, 0);
    }
}
