//! How long to wait before the next attempt to reach a server.
//!
//! Exponential backoff with *full* jitter: each wait is drawn evenly from zero to a ceiling that doubles. When a server
//! restarts, all of its publishers lose it in the same instant; drawing from the whole range spreads their return most
//! evenly, for the least work in total.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Ceiling of the first wait. A server that was only restarted is back within this.
const FIRST_CEILING: Duration = Duration::from_millis(400);

/// No wait is longer: somebody who is live wants to be back soon after the network is.
const LAST_CEILING: Duration = Duration::from_secs(5);

/// The longest that attempt number `attempt` (counted from zero) may have to wait.
fn ceiling(attempt: u32) -> Duration {
    FIRST_CEILING
        .saturating_mul(2_u32.saturating_pow(attempt))
        .min(LAST_CEILING)
}

/// How long to wait before attempt number `attempt`, counted from zero.
///
/// `asked` is what the server itself asked for (`Retry-After`, RFC 9110 §10.2.3). It is waited for in full, and the
/// jitter comes on top, so that clients that were all told the same number do not return together. It is capped as
/// well: a number from the network must not put a stream off air for an hour.
pub(crate) fn delay(attempt: u32, asked: Option<Duration>, random: &mut impl Rng) -> Duration {
    let jittered = ceiling(attempt).mul_f64(random.random_range(0.0..=1.0));
    asked.unwrap_or_default().min(LAST_CEILING) + jittered
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn the_ceiling_doubles_and_then_stays() {
        let millis: Vec<u128> = (0..7).map(|attempt| ceiling(attempt).as_millis()).collect();
        assert_eq!(millis, [400, 800, 1600, 3200, 5000, 5000, 5000]);
        assert_eq!(ceiling(u32::MAX), LAST_CEILING);
    }

    #[test]
    fn waits_fill_the_whole_range_below_the_ceiling() {
        let mut random = StdRng::seed_from_u64(7);
        let waits: Vec<Duration> = (0..1000).map(|_| delay(3, None, &mut random)).collect();
        assert!(waits.iter().all(|wait| *wait <= ceiling(3)));
        let mean = waits.iter().sum::<Duration>() / 1000;
        assert!(
            mean > ceiling(3).mul_f64(0.45) && mean < ceiling(3).mul_f64(0.55),
            "{mean:?}"
        );
        assert!(waits.iter().any(|wait| *wait < ceiling(3).mul_f64(0.02)));
    }

    #[test]
    fn what_the_server_asks_for_is_kept_up_to_a_bound() {
        let mut random = StdRng::seed_from_u64(7);
        let asked = Duration::from_secs(3);
        let wait = delay(0, Some(asked), &mut random);
        assert!(wait >= asked && wait <= asked + FIRST_CEILING, "{wait:?}");
        assert!(delay(0, Some(Duration::from_hours(1)), &mut random) <= LAST_CEILING + FIRST_CEILING);
    }
}
