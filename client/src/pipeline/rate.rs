//! Pictures at a rate.

use std::time::Duration;

use crate::clock::MediaTime;

/// Lets pictures through at most at a given rate.
#[derive(Debug, Default)]
pub(crate) struct FramePacer {
    last: Option<MediaTime>,
}

impl FramePacer {
    /// Whether the picture captured at `capture` is to be encoded at `fps` pictures per second.
    pub(crate) fn admits(&mut self, capture: MediaTime, fps: f32) -> bool {
        let interval = Duration::from_secs_f32(1.0 / fps.max(0.1));
        // Cameras jitter: a picture that comes a little early is the one that was due. Counting from the last picture, and not from a
        // schedule, keeps the intervals even and lets no burst through after a pause.
        let due = self
            .last
            .is_none_or(|last| capture.saturating_since(last) >= interval * 3 / 4);
        if due {
            self.last = Some(capture);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_picture_passes_at_half_the_rate() {
        let mut pacer = FramePacer::default();
        // 30 fps with a jitter of ± 4 ms.
        let passed = (0..300u64)
            .filter(|n| {
                let jitter = [0, 4, 0, 2][(n % 4) as usize];
                pacer.admits(
                    MediaTime::from_duration(Duration::from_micros(100_000 + n * 33_333 + jitter * 1000)),
                    15.0,
                )
            })
            .count();
        assert!((149..=151).contains(&passed), "{passed}");
    }

    #[test]
    fn nothing_is_lost_at_the_full_rate_and_no_burst_follows_a_pause() {
        let mut pacer = FramePacer::default();
        let time = |ms| MediaTime::from_duration(Duration::from_millis(ms));
        assert!((0..100).all(|n| pacer.admits(time(1000 + n * 33), 30.0)));
        assert!(pacer.admits(time(60_000), 30.0));
        assert!(!pacer.admits(time(60_005), 30.0));
    }
}
