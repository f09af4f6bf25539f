//! Many voices in one signal, without clipping.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::audio::CHANNELS;
use crate::audio::playback::{BLOCK_SAMPLES, BLOCK_VALUES};

/// Peak that the mix is held below: −0.5 dBFS, since what resamples it may overshoot a little.
const CEILING: f32 = 0.944;

/// How much of the way back to full gain is made in a block: about a third of a second for most of it.
const RELEASE: f32 = 0.03;

/// How loud something is to be. Shared with whoever turns the knob.
#[derive(Debug)]
pub(crate) struct Volume {
    gain: AtomicU32,
    muted: AtomicBool,
}

impl Default for Volume {
    fn default() -> Self {
        Self {
            gain: AtomicU32::new(1.0_f32.to_bits()),
            muted: AtomicBool::new(false),
        }
    }
}

impl Volume {
    /// Linear, 1 for unchanged; what is no number counts as unchanged.
    pub(crate) fn set(&self, gain: f32) {
        let gain = if gain.is_finite() { gain.clamp(0.0, 4.0) } else { 1.0 };
        self.gain.store(gain.to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn mute(&self, muted: bool) {
        self.muted.store(muted, Ordering::Relaxed);
    }

    pub(crate) fn gain(&self) -> f32 {
        if self.muted.load(Ordering::Relaxed) {
            0.0
        } else {
            f32::from_bits(self.gain.load(Ordering::Relaxed))
        }
    }
}

/// Follows a volume without a click: each block goes from the gain before to the one that is wanted now.
#[derive(Debug)]
pub(crate) struct Fader {
    gain: f32,
}

impl Default for Fader {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Fader {
    /// Nothing is heard at the moment: what comes next begins with the gain that is wanted now.
    pub(crate) fn rest(&mut self, wanted: f32) {
        self.gain = wanted;
    }

    /// Adds `block` to `mix`.
    pub(crate) fn add(&mut self, mix: &mut [f32; BLOCK_VALUES], block: &[f32; BLOCK_VALUES], wanted: f32) {
        let step = (wanted - self.gain) / BLOCK_SAMPLES as f32;
        for (sums, values) in mix.chunks_exact_mut(CHANNELS).zip(block.chunks_exact(CHANNELS)) {
            self.gain += step;
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value * self.gain;
            }
        }
        self.gain = wanted;
    }
}

/// Turns the whole mix down where voices add up beyond full scale.
#[derive(Debug)]
pub(crate) struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Limiter {
    /// Brings `mix` below the ceiling.
    pub(crate) fn apply(&mut self, mix: &mut [f32; BLOCK_VALUES]) {
        let peak = mix.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
        let wanted = if peak > CEILING { CEILING / peak } else { 1.0 };
        let target = if wanted < self.gain {
            wanted
        } else {
            (self.gain + (1.0 - self.gain) * RELEASE).min(wanted)
        };
        let step = (target - self.gain) / BLOCK_SAMPLES as f32;
        for frame in mix.chunks_exact_mut(CHANNELS) {
            self.gain += step;
            for value in frame {
                // While the gain is on its way down, the start of the block may still stick out.
                *value = (*value * self.gain).clamp(-CEILING, CEILING);
            }
        }
        self.gain = target;
    }
}

#[cfg(test)]
// What is expected is exact.
#[allow(clippy::float_cmp)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn voices_add_up_at_their_volumes() {
        let mut mix = [0.0; BLOCK_VALUES];
        let mut faders = [Fader { gain: 1.0 }, Fader { gain: 0.5 }];
        faders[0].add(&mut mix, &[0.25; BLOCK_VALUES], 1.0);
        faders[1].add(&mut mix, &[0.5; BLOCK_VALUES], 0.5);
        assert_eq!(mix, [0.5; BLOCK_VALUES]);
        Limiter::default().apply(&mut mix);
        assert_eq!(mix, [0.5; BLOCK_VALUES], "what fits is left alone");
    }

    #[test]
    fn a_mute_is_faded_over_one_block() {
        let volume = Volume::default();
        volume.mute(true);
        let mut fader = Fader::default();
        let mut mix = [0.0; BLOCK_VALUES];
        fader.add(&mut mix, &[1.0; BLOCK_VALUES], volume.gain());
        assert!(mix[0] > 0.99 && mix[BLOCK_VALUES - 1].abs() < 1e-3);
        let steps = mix.windows(3).map(|window| window[0] - window[2]);
        assert!(
            steps.clone().all(|step| (0.0..0.01).contains(&step)),
            "{:?}",
            steps.fold(0.0, f32::max)
        );
        let mut next = [0.0; BLOCK_VALUES];
        fader.add(&mut next, &[1.0; BLOCK_VALUES], volume.gain());
        assert_eq!(next, [0.0; BLOCK_VALUES]);
        // Who is muted before they say anything is not heard at all.
        let mut fader = Fader::default();
        fader.rest(volume.gain());
        fader.add(&mut next, &[1.0; BLOCK_VALUES], volume.gain());
        assert_eq!(next, [0.0; BLOCK_VALUES]);
    }

    #[test]
    fn absurd_volumes_are_refused() {
        let volume = Volume::default();
        for (wanted, gain) in [
            (f32::NAN, 1.0),
            (f32::INFINITY, 1.0),
            (-3.0, 0.0),
            (9.0, 4.0),
            (0.5, 0.5),
        ] {
            volume.set(wanted);
            assert_eq!(volume.gain(), gain, "{wanted}");
        }
    }

    #[test]
    fn after_a_loud_moment_the_gain_comes_back_slowly() {
        let mut limiter = Limiter::default();
        limiter.apply(&mut [2.0; BLOCK_VALUES]);
        let after = |limiter: &mut Limiter| {
            let mut block = [0.1; BLOCK_VALUES];
            limiter.apply(&mut block);
            block[BLOCK_VALUES - 1]
        };
        assert!(after(&mut limiter) < 0.06);
        (0..200).for_each(|_| {
            after(&mut limiter);
        });
        assert!(after(&mut limiter) > 0.099);
    }

    proptest! {
        #[test]
        fn nothing_ever_clips(levels in prop::collection::vec(-30.0f32..30.0, 1..20)) {
            let mut limiter = Limiter::default();
            for level in levels {
                let mut block = [level; BLOCK_VALUES];
                limiter.apply(&mut block);
                prop_assert!(block.iter().all(|value| value.abs() <= CEILING));
            }
        }
    }
}
