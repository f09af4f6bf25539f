//! RTP timestamps from capture time.

use crate::clock::MediaTime;
pub(crate) use crate::transport::codecs::{AUDIO_RATE, VIDEO_RATE};

/// The one relation between capture time and a track's RTP timestamps.
///
/// Packets and sender reports both get their timestamps here. Audio and video therefore agree about capture time to
/// one tick, however long either of them takes from capture to sending.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RtpClock {
    rate: u32,
    /// Random, so that timestamps cannot be guessed (RFC 3550 §5.1).
    offset: u32,
}

impl RtpClock {
    pub(crate) fn new(rate: u32) -> Self {
        Self {
            rate,
            offset: rand::random(),
        }
    }

    pub(crate) fn timestamp(self, capture: MediaTime) -> u32 {
        self.offset.wrapping_add(capture.rtp_ticks(self.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_second_of_capture_is_one_second_of_timestamps_across_the_wrap() {
        let clock = RtpClock {
            rate: VIDEO_RATE,
            offset: u32::MAX - 10,
        };
        let before = MediaTime::from_duration(Duration::from_millis(7));
        let after = before.plus(Duration::from_secs(1));
        assert_eq!(clock.timestamp(after).wrapping_sub(clock.timestamp(before)), VIDEO_RATE);
    }
}
