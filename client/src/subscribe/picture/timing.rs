//! When a picture is shown.

use std::sync::Arc;

use crate::subscribe::delay::DelayEstimator;
use crate::subscribe::micros::{MILLISECOND, Micros, from_ticks};
use crate::subscribe::sync::{Pair, ReportClock};
use crate::transport::codecs::VIDEO_RATE;

/// Weight of the newest picture in the time that decoding takes.
const DECODE_WEIGHT: f64 = 0.1;

/// Pictures are waited for no longer than this, whatever the network and the sound ask for.
const MOST_WAIT: Micros = 900 * MILLISECOND;

/// Paces one slot: even spacing by its own jitter, and in time with the sound of the same person.
pub(crate) struct Timing {
    delays: DelayEstimator,
    reports: ReportClock,
    /// How long decoding takes, in microseconds, smoothed.
    decoding: f64,
    pair: Arc<Pair>,
}

impl Timing {
    pub(crate) fn new(pair: Arc<Pair>) -> Self {
        Self {
            delays: DelayEstimator::default(),
            reports: ReportClock::default(),
            decoding: 0.0,
            pair,
        }
    }

    /// From now on it is in time with another sound.
    pub(crate) fn join(&mut self, pair: Arc<Pair>) {
        self.pair = pair;
    }

    /// Takes in a sender report: NTP time and extended timestamp.
    pub(crate) fn report(&mut self, ntp: u64, timestamp: i64) {
        self.reports.report(ntp, timestamp, VIDEO_RATE);
    }

    /// A frame with this timestamp was whole at `arrival`.
    pub(crate) fn arrived(&mut self, timestamp: i64, arrival: Micros) {
        self.delays.observe(arrival, from_ticks(timestamp, VIDEO_RATE));
    }

    /// Decoding a picture took so long.
    pub(crate) fn decoded(&mut self, took: Micros) {
        self.decoding += (took as f64 - self.decoding) * DECODE_WEIGHT;
    }

    /// When to begin to decode the frame with this timestamp, so that it is shown when it should be.
    pub(crate) fn starts_at(&self, timestamp: i64, now: Micros) -> Micros {
        self.due(timestamp, now) - self.decoding as Micros
    }

    /// When to show it.
    pub(crate) fn due(&self, timestamp: i64, now: Micros) -> Micros {
        let media = from_ticks(timestamp, VIDEO_RATE);
        let Some(base) = self.delays.base() else {
            return now;
        };
        let own = base + self.delays.target() + self.decoding as Micros;
        // An offset to the server's clock, and back again.
        let offset = match self.reports.captured(0) {
            Some(shift) => self.pair.picture_ready(own - shift, now) + shift,
            None => own,
        };
        (media + offset).min(now + MOST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscribe::micros::SECOND;

    /// Thirty pictures a second for ten seconds, each `delay` late. The due times, less when each was captured.
    fn waits(timing: &mut Timing, delay: impl Fn(i64) -> Micros) -> Vec<Micros> {
        (0..300)
            .map(|number| {
                let timestamp = number * 3_000;
                let captured = from_ticks(timestamp, VIDEO_RATE);
                let now = 5 * SECOND + captured + delay(number);
                timing.arrived(timestamp, now);
                timing.due(timestamp, now) - 5 * SECOND - captured
            })
            .collect()
    }

    #[test]
    fn pictures_are_shown_at_even_distances_though_they_come_unevenly() {
        let mut timing = Timing::new(Arc::default());
        let waits = waits(&mut timing, |number| number % 7 * 10 * MILLISECOND);
        let settled = &waits[150..];
        assert!(
            settled
                .iter()
                .all(|wait| wait.abs_diff(settled[0]) < 10 * MILLISECOND as u64),
            "{settled:?}"
        );
        assert!(
            (60 * MILLISECOND..=75 * MILLISECOND).contains(&settled[0]),
            "{}",
            settled[0]
        );
    }

    #[test]
    fn decoding_is_begun_earlier_by_the_time_it_takes() {
        let mut timing = Timing::new(Arc::default());
        waits(&mut timing, |_| 0);
        (0..200).for_each(|_| timing.decoded(8 * MILLISECOND));
        let now = 15 * SECOND;
        let lead = timing.due(900_000, now) - timing.starts_at(900_000, now);
        assert!((7 * MILLISECOND..=8 * MILLISECOND).contains(&lead), "{lead}");
    }

    #[test]
    fn the_sound_of_the_same_person_is_waited_for() {
        let pair = Arc::new(Pair::default());
        let mut timing = Timing::new(Arc::clone(&pair));
        timing.report(700 << 32, 0);
        timing.arrived(0, 5 * SECOND);
        let alone = timing.due(0, 5 * SECOND);
        // Sound captured in the same moment is heard 200 ms after the picture came.
        pair.sound_plays(5 * SECOND + 200 * MILLISECOND - 700 * SECOND, 5 * SECOND);
        assert_eq!(timing.due(0, 5 * SECOND), 5 * SECOND + 200 * MILLISECOND);
        assert!(alone < 5 * SECOND + 100 * MILLISECOND);
        let other = Arc::new(Pair::default());
        timing.join(other);
        assert_eq!(timing.due(0, 5 * SECOND), alone);
    }

    #[test]
    fn nothing_is_waited_for_long() {
        let mut timing = Timing::new(Arc::default());
        timing.arrived(0, 5 * SECOND);
        assert_eq!(timing.due(90_000 * 3_600, 5 * SECOND), 5 * SECOND + MOST_WAIT);
    }
}
