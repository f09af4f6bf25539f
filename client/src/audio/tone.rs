//! The test tone: 440 Hz with a click at each full second of UNIX time, exactly where the test pattern flashes.

use std::{f32::consts::TAU, time::Duration};

use super::{CHANNELS, PACKET_SAMPLES, PACKET_VALUES, SAMPLE_RATE};
use crate::clock::{MediaClock, MediaTime};

/// Pitch of the tone in hertz; whole, so that it repeats each second.
pub const TONE_HZ: u32 = 440;
/// Peak of the tone: −18 dBFS.
pub const TONE_PEAK: f32 = 0.125_892_54;
/// Pitch of the click in hertz.
pub const CLICK_HZ: u32 = 2_000;
/// Peak of the click: −3 dBFS.
pub const CLICK_PEAK: f32 = 0.707_945_8;
/// Samples in a click: 10 ms.
pub const CLICK_SAMPLES: u64 = SAMPLE_RATE as u64 / 100;

const NANOS_PER_SEC: u128 = 1_000_000_000;

/// Makes the tone's samples in order. A sample's number is its place since the UNIX epoch, so that sample and time determine each other.
#[derive(Debug)]
pub struct Tone {
    clock: MediaClock,
    next_sample: u64,
}

impl Tone {
    /// A tone on `clock` that begins now.
    pub fn new(clock: MediaClock) -> Self {
        let unix = clock.unix(clock.now()).as_nanos();
        Self {
            clock,
            next_sample: (unix * u128::from(SAMPLE_RATE)).div_ceil(NANOS_PER_SEC) as u64,
        }
    }

    /// When the next packet will be complete, as it would be from a microphone.
    pub fn next_complete(&self) -> MediaTime {
        self.time_of(self.next_sample + PACKET_SAMPLES as u64)
    }

    /// Fills a packet with stereo samples and says when its first one is heard.
    pub fn fill(&mut self, packet: &mut [f32; PACKET_VALUES]) -> MediaTime {
        let capture = self.time_of(self.next_sample);
        for frame in packet.chunks_exact_mut(CHANNELS) {
            frame.fill(sample(self.next_sample));
            self.next_sample += 1;
        }
        capture
    }

    fn time_of(&self, number: u64) -> MediaTime {
        let unix = Duration::from_nanos((u128::from(number) * NANOS_PER_SEC / u128::from(SAMPLE_RATE)) as u64);
        MediaTime::from_duration(unix.saturating_sub(self.clock.unix(MediaTime::default())))
    }
}

/// The sample with this number since the UNIX epoch.
fn sample(number: u64) -> f32 {
    // Both pitches are whole numbers of hertz: each second is like the other, and `f32` stays exact enough.
    let in_second = number % u64::from(SAMPLE_RATE);
    let sine = |hertz: u32| {
        let phase = in_second * u64::from(hertz) % u64::from(SAMPLE_RATE);
        (phase as f32 / SAMPLE_RATE as f32 * TAU).sin()
    };
    let click = if in_second < CLICK_SAMPLES {
        CLICK_PEAK * sine(CLICK_HZ)
    } else {
        0.0
    };
    TONE_PEAK * sine(TONE_HZ) + click
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_follow_each_other_without_a_gap() {
        let clock = MediaClock::start();
        let mut tone = Tone::new(clock);
        let mut packet = [0.0; PACKET_VALUES];
        let mut expected = tone.fill(&mut packet);
        for _ in 0..100 {
            expected = expected.plus(super::super::PACKET);
            let capture = tone.fill(&mut packet);
            let gap = capture.as_duration().abs_diff(expected.as_duration());
            assert!(gap <= Duration::from_nanos(100), "{gap:?}");
        }
    }

    #[test]
    fn the_click_starts_within_one_sample_of_the_full_second() {
        let clock = MediaClock::start();
        let mut tone = Tone::new(clock);
        let mut packet = [0.0; PACKET_VALUES];
        let mut onsets = Vec::new();
        // It may begin in the middle of a click.
        let mut was_quiet = false;
        for _ in 0..150 {
            let capture = tone.fill(&mut packet);
            // The tone alone never goes past its own peak.
            let loud = packet
                .iter()
                .step_by(CHANNELS)
                .position(|value| value.abs() > TONE_PEAK * 1.01);
            was_quiet |= loud.is_none();
            if let Some(index) = loud
                && was_quiet
            {
                onsets.push(clock.unix(capture) + Duration::from_secs(1) * index as u32 / SAMPLE_RATE);
            }
        }
        let sample = Duration::from_secs(1) / SAMPLE_RATE;
        let first = onsets.first().expect("three seconds hold a click");
        // The click is a sine from zero: its second sample is the first that stands out.
        assert!(
            Duration::from_nanos(first.subsec_nanos().into()) <= sample * 2,
            "{first:?}"
        );
    }

    #[test]
    fn nothing_clips() {
        assert!((0..u64::from(SAMPLE_RATE)).all(|number| sample(number).abs() < 0.9));
    }
}
