//! How long media has to wait so that what comes late is not missed.
//!
//! The algorithm is that of libwebrtc's `NetEQ` (`relative_arrival_delay_tracker`, `underrun_optimizer` and `histogram` in
//! its `modules/audio_coding/neteq`): each packet's delay is measured against the fastest one of the last two seconds,
//! the largest delay of each half second goes into a histogram that forgets slowly, and the wait is the delay that 95 %
//! of it stay below. The bins are finer than `NetEQ`'s 20 ms, since pictures are timed by it as well.

use std::collections::VecDeque;

use crate::subscribe::micros::{MILLISECOND, Micros};

/// How far back the fastest packet is looked for. A clock that drifts by 1 in 10,000 moves by 0.2 ms in that time.
const WINDOW: Micros = 2_000 * MILLISECOND;

/// Of this time's delays the largest one counts.
const INTERVAL: Micros = 500 * MILLISECOND;

/// Width of a bin.
const BIN: Micros = 5 * MILLISECOND;

/// Bins up to [`MOST`].
const BINS: usize = (MOST / BIN) as usize + 1;

/// The part of the delays that is waited for.
const QUANTILE: f32 = 0.95;

/// What a delay still weighs when the next one comes: half of it after 40 of them, which are 20 s.
const MEMORY: f32 = 0.983;

/// How much more the first delays weigh, until there are enough of them.
const START_WEIGHT: f32 = 2.0;

/// The wait before anything is known: two packets of 20 ms.
const START: Micros = 40 * MILLISECOND;

/// The shortest wait: threads wake up late, even where the network is perfect.
const LEAST: Micros = 20 * MILLISECOND;

/// The longest wait. People talk over each other from about 400 ms one way (ITU-T G.114), and lost pictures are better.
const MOST: Micros = 400 * MILLISECOND;

/// Packets in the window at most: two seconds of the smallest Opus packets of 2.5 ms.
const MOST_ARRIVALS: usize = 800;

/// Estimates the wait for one stream.
#[derive(Debug)]
pub(crate) struct DelayEstimator {
    /// Arrival, and transit time on two clocks that do not know each other, with each larger one before a smaller one
    /// dropped: the first is the smallest.
    fastest: VecDeque<(Micros, Micros)>,
    bins: [f32; BINS],
    counted: u32,
    interval: Option<(Micros, Micros)>,
    target: Micros,
}

impl Default for DelayEstimator {
    fn default() -> Self {
        Self {
            fastest: VecDeque::new(),
            bins: [0.0; BINS],
            counted: 0,
            interval: None,
            target: START,
        }
    }
}

impl DelayEstimator {
    /// Takes in a packet with the media time `media` that came at `arrival`.
    pub(crate) fn observe(&mut self, arrival: Micros, media: Micros) {
        let transit = arrival - media;
        while self.fastest.back().is_some_and(|(_, slower)| *slower >= transit) {
            self.fastest.pop_back();
        }
        self.fastest.push_back((arrival, transit));
        let is_old = |(at, _): &(Micros, Micros)| arrival - at > WINDOW;
        while self.fastest.len() > 1 && (self.fastest.front().is_some_and(is_old) || self.fastest.len() > MOST_ARRIVALS)
        {
            self.fastest.pop_front();
        }
        let delay = transit - self.base().unwrap_or(transit);
        let (since, largest) = self.interval.get_or_insert((arrival, 0));
        *largest = delay.max(*largest);
        if arrival - *since >= INTERVAL {
            let largest = *largest;
            self.interval = None;
            self.count(largest);
        }
    }

    /// The transit time without any delay: what to add to media time to get the earliest arrival.
    pub(crate) fn base(&self) -> Option<Micros> {
        self.fastest.front().map(|(_, transit)| *transit)
    }

    /// How long to wait after that.
    pub(crate) fn target(&self) -> Micros {
        self.target
    }

    fn count(&mut self, delay: Micros) {
        self.counted = self.counted.saturating_add(1);
        // At first everything is forgotten as soon as something better is known.
        let memory = MEMORY.min(1.0 - START_WEIGHT / (self.counted as f32 + 1.0)).max(0.0);
        for bin in &mut self.bins {
            *bin *= memory;
        }
        let bin = usize::try_from(delay / BIN).unwrap_or(0).min(BINS - 1);
        self.bins[bin] += 1.0 - memory;
        let total: f32 = self.bins.iter().sum();
        let mut below = 0.0;
        let quantile = self.bins.iter().position(|bin| {
            below += bin;
            below >= total * QUANTILE
        });
        // The upper edge of the bin.
        let wait = (quantile.unwrap_or(BINS - 1) as Micros + 1) * BIN;
        self.target = wait.clamp(LEAST, MOST);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Packets of 20 ms, each delayed by what `delay` says, on a clock that runs `drift` parts per million fast.
    fn run(packets: i64, drift: i64, mut delay: impl FnMut(i64) -> Micros) -> DelayEstimator {
        let mut estimator = DelayEstimator::default();
        for packet in 0..packets {
            let media = packet * 20 * MILLISECOND;
            let sent = media + media * drift / 1_000_000;
            estimator.observe(7_000 * MILLISECOND + sent + delay(packet), media);
        }
        estimator
    }

    #[test]
    fn it_starts_at_two_packets_and_falls_where_the_network_is_even() {
        assert_eq!(DelayEstimator::default().target(), START);
        assert_eq!(run(500, 0, |_| 0).target(), LEAST);
    }

    #[test]
    fn it_covers_the_jitter_that_there_is() {
        // Every tenth packet is late by 90 ms.
        let target = run(500, 0, |packet| (packet % 10 / 9) * 90 * MILLISECOND).target();
        assert!((90 * MILLISECOND..=100 * MILLISECOND).contains(&target), "{target}");
    }

    #[test]
    fn one_burst_is_forgotten_in_time() {
        let burst = |packet| if packet == 100 { 300 * MILLISECOND } else { 0 };
        assert!(run(150, 0, burst).target() > 250 * MILLISECOND);
        assert_eq!(run(10_000, 0, burst).target(), LEAST);
    }

    #[test]
    fn a_drifting_clock_is_not_taken_for_jitter() {
        for drift in [-500, 500] {
            assert_eq!(run(5_000, drift, |_| 0).target(), LEAST);
        }
    }

    #[test]
    fn the_base_follows_a_path_that_became_slower() {
        let slower = run(1_000, 0, |packet| if packet < 500 { 0 } else { 60 * MILLISECOND });
        assert_eq!(slower.base(), Some(7_060 * MILLISECOND));
    }

    proptest! {
        #[test]
        fn whatever_arrives_the_wait_is_bounded(arrivals in prop::collection::vec((any::<u32>(), any::<u32>()), 1..500)) {
            let mut estimator = DelayEstimator::default();
            for (arrival, media) in arrivals {
                estimator.observe(arrival.into(), media.into());
                prop_assert!((LEAST..=MOST).contains(&estimator.target()));
                prop_assert!(estimator.fastest.len() <= MOST_ARRIVALS);
            }
        }
    }
}
