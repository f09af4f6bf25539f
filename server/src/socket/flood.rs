//! How much one participant may say.

use std::time::Instant;

/// Messages that may come at once: a page that joins a mesh of twenty sends each an offer and a dozen candidates.
const BURST: f64 = 300.0;

/// Messages per second that may go on for ever.
const PER_SECOND: f64 = 20.0;

/// What a message costs that was none: answering nonsense costs more than doing something.
const NONSENSE: f64 = 5.0;

/// A token bucket.
#[derive(Debug)]
pub(super) struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, at: now }
    }

    /// Accounts for a message; `false` where it was one too many.
    pub(super) fn spend(&mut self, sensible: bool, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.left = (self.left + passed * PER_SECOND).min(BURST);
        self.left -= if sensible { 1.0 } else { NONSENSE };
        self.left >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_passes_and_a_flood_does_not() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        for _ in 0..300 {
            assert!(allowance.spend(true, now));
        }
        assert!(!allowance.spend(true, now));
    }

    #[test]
    fn a_steady_talker_is_never_cut_off() {
        let mut now = Instant::now();
        let mut allowance = Allowance::new(now);
        for _ in 0..10_000 {
            now += Duration::from_millis(50);
            assert!(allowance.spend(true, now));
        }
    }

    #[test]
    fn nonsense_is_paid_for_dearly() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        let answered = std::iter::repeat_with(|| allowance.spend(false, now))
            .take_while(|ok| *ok)
            .count();
        assert_eq!(answered, 60);
    }
}
