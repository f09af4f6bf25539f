//! Fewer pictures instead of ugly ones: which frame rate a bitrate can carry.

use std::time::Duration;

use crate::{
    clock::MediaTime,
    units::{Bitrate, Resolution},
};

/// Bits per pixel below which H.264 at low complexity turns to mush on moving pictures (2.5 Mb/s at 720p30 is 0.09).
const MIN_BITS_PER_PIXEL: f64 = 0.025;
/// How much more than [`MIN_BITS_PER_PIXEL`] there must be before the frame rate goes up again, so that it does not flap.
const RAISE_MARGIN: f64 = 1.3;
/// The full rate is divided by one of these. Whole divisors keep the intervals even.
const DIVISORS: [u32; 4] = [1, 2, 3, 4];

/// Chooses the divisor of the full frame rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameRateLadder {
    step: usize,
}

impl FrameRateLadder {
    pub(crate) fn new() -> Self {
        Self { step: 0 }
    }

    /// The frame rate for pictures of `size` at `bitrate`, out of `full_fps`.
    pub(crate) fn choose(&mut self, bitrate: Bitrate, size: Resolution, full_fps: u32) -> f32 {
        let bits_per_pixel = |step: usize| {
            let pixels_per_second = size.pixels() as f64 * f64::from(full_fps) / f64::from(DIVISORS[step]);
            f64::from(bitrate.bps()) / pixels_per_second.max(1.0)
        };
        while self.step + 1 < DIVISORS.len() && bits_per_pixel(self.step) < MIN_BITS_PER_PIXEL {
            self.step += 1;
        }
        while self.step > 0 && bits_per_pixel(self.step - 1) >= MIN_BITS_PER_PIXEL * RAISE_MARGIN {
            self.step -= 1;
        }
        full_fps as f32 / DIVISORS[self.step] as f32
    }
}

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
    fn the_frame_rate_falls_with_the_bitrate_and_comes_back_later_than_it_fell() {
        let mut ladder = FrameRateLadder::new();
        let mut at = |kbps| ladder.choose(Bitrate::from_kbps(kbps), Resolution::HD, 30).round() as u32;
        assert_eq!([at(2500), at(700), at(600), at(300), at(100)], [30, 30, 15, 10, 8]);
        assert_eq!([at(100), at(500), at(700), at(900), at(2500)], [8, 15, 15, 30, 30]);
    }

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
