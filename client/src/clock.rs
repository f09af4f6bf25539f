//! The one clock that audio and video are stamped with.
//!
//! It runs on the operating system's monotonic clock and is tied to UNIX time once, when it is made. A wall clock that is stepped while
//! live therefore never moves one track against the other.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds from the NTP epoch (1900) to the UNIX epoch (1970), RFC 868.
const NTP_UNIX_OFFSET_SECS: u64 = 2_208_988_800;

/// A moment on a [`MediaClock`]: the time since that clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MediaTime(Duration);

impl MediaTime {
    /// The moment `since_start` after the clock was made.
    pub const fn from_duration(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// Time since the clock was made.
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// Time from `earlier` to `self`, zero when `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `by` later.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// The moment `by` earlier, at most the clock's start.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by))
    }

    /// Ticks of an RTP clock of `rate` hertz since the clock was made, modulo 2³² (RFC 3550 §5.1; the random offset is the sender's).
    pub fn rtp_ticks(self, rate: u32) -> u32 {
        (self.0.as_nanos() * u128::from(rate) / 1_000_000_000) as u32
    }
}

/// Monotonic time with a fixed relation to UNIX time.
#[derive(Debug, Clone, Copy)]
pub struct MediaClock {
    origin: Instant,
    origin_unix: Duration,
}

impl MediaClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        let origin_unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            origin: Instant::now(),
            origin_unix,
        }
    }

    /// The current moment.
    pub fn now(&self) -> MediaTime {
        self.at(Instant::now())
    }

    /// The moment at which the monotonic clock showed `instant`, at least the clock's start.
    pub fn at(&self, instant: Instant) -> MediaTime {
        MediaTime(instant.saturating_duration_since(self.origin))
    }

    /// The monotonic clock's reading at `time`.
    pub fn instant(&self, time: MediaTime) -> Instant {
        self.origin + time.0
    }

    /// UNIX time at `time`, as the time since 1970.
    pub fn unix(&self, time: MediaTime) -> Duration {
        self.origin_unix + time.0
    }

    /// UNIX time at `time`, whole milliseconds modulo 2³²: what the test pattern's strip carries.
    pub fn unix_ms(&self, time: MediaTime) -> u32 {
        self.unix(time).as_millis() as u32
    }

    /// Wall-clock time at `time`.
    pub fn system_time(&self, time: MediaTime) -> SystemTime {
        UNIX_EPOCH + self.unix(time)
    }

    /// NTP timestamp at `time`, 32.32 fixed point, as RTCP sender reports carry it (RFC 3550 §4).
    pub fn ntp(&self, time: MediaTime) -> u64 {
        let unix = self.unix(time);
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        (unix.as_secs().wrapping_add(NTP_UNIX_OFFSET_SECS) << 32) | fraction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock_at(unix: Duration) -> MediaClock {
        MediaClock {
            origin: Instant::now(),
            origin_unix: unix,
        }
    }

    #[test]
    fn ntp_counts_from_1900_in_binary_fractions() {
        let clock = clock_at(Duration::from_secs(1_000));
        let ntp = clock.ntp(MediaTime::from_duration(Duration::from_millis(500)));
        assert_eq!(ntp >> 32, 1_000 + NTP_UNIX_OFFSET_SECS);
        assert_eq!(ntp & 0xffff_ffff, 1 << 31);
    }

    #[test]
    fn strip_time_is_unix_milliseconds_modulo_two_to_the_32() {
        let clock = clock_at(Duration::from_millis((7 << 32) + 41));
        assert_eq!(
            clock.unix_ms(MediaTime::from_duration(Duration::from_micros(1_999))),
            42
        );
    }

    #[test]
    fn instants_and_media_times_convert_both_ways() {
        let clock = MediaClock::start();
        let time = MediaTime::from_duration(Duration::from_millis(1234));
        assert_eq!(clock.at(clock.instant(time)), time);
        assert_eq!(
            clock.at(Instant::now()
                .checked_sub(Duration::from_secs(1))
                .expect("booted over a second ago")),
            MediaTime::default()
        );
    }

    #[test]
    fn audio_and_video_ticks_are_the_same_moment() {
        let time = MediaTime::from_duration(Duration::from_millis(2_500));
        assert_eq!((time.rtp_ticks(90_000), time.rtp_ticks(48_000)), (225_000, 120_000));
    }
}
