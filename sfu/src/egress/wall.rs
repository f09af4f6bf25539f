//! The time of day, as RTCP and header extensions tell it.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// From the beginning of NTP's era to that of Unix, in seconds (RFC 5905 §6).
const ERA: u64 = 2_208_988_800;

/// Since the Unix epoch. The clock is read once, so that what it says runs evenly with [`Instant`].
pub(super) fn since_epoch(at: Instant) -> Duration {
    static ANCHOR: OnceLock<(Instant, Duration)> = OnceLock::new();
    let (instant, since) = *ANCHOR.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        (at, since.unwrap_or_default())
    });
    match at.checked_duration_since(instant) {
        Some(later) => since + later,
        None => since.saturating_sub(instant.saturating_duration_since(at)),
    }
}

/// NTP's 64 bits: seconds, and their fraction.
pub(super) fn ntp(since_epoch: Duration) -> u64 {
    let seconds = since_epoch.as_secs().wrapping_add(ERA) << 32;
    seconds | ((u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000)
}
