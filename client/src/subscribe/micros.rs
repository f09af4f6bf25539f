//! Time as the receiver reckons with it.

use crate::clock::MediaTime;

/// Microseconds. Signed, because most of what is reckoned with here are differences, which go both ways.
pub(crate) type Micros = i64;

/// A thousand of them.
pub(crate) const MILLISECOND: Micros = 1_000;

/// A million of them.
pub(crate) const SECOND: Micros = 1_000_000;

/// A moment of our own clock, from the clock's start.
pub(crate) fn micros(time: MediaTime) -> Micros {
    time.as_duration().as_micros() as Micros
}

/// `ticks` of an RTP clock of `rate` hertz.
pub(crate) fn from_ticks(ticks: i64, rate: u32) -> Micros {
    let rate = i64::from(rate);
    // In two parts, so that no count of ticks can overflow.
    ticks.div_euclid(rate) * SECOND + ticks.rem_euclid(rate) * SECOND / rate
}

/// An NTP timestamp in 32.32 fixed point (RFC 3550 §4), from 1900.
pub(crate) fn from_ntp(timestamp: u64) -> Micros {
    let seconds = (timestamp >> 32) as i64;
    let fraction = ((timestamp & 0xffff_ffff) * SECOND as u64) >> 32;
    seconds * SECOND + fraction as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_ntp_become_microseconds() {
        assert_eq!(from_ticks(960, 48_000), 20 * MILLISECOND);
        assert_eq!(from_ticks(-45_000, 90_000), -500 * MILLISECOND);
        assert_eq!(from_ntp(7 << 32 | 1 << 31), 7 * SECOND + 500 * MILLISECOND);
    }
}
