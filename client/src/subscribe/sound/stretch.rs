//! Makes sound a little shorter or longer without changing its pitch.
//!
//! One period of the voice is left out or said twice, with a cross-fade: waveform-similarity overlap-add (Verhelst and
//! Roelands, ICASSP 1993), as `NetEQ`'s `accelerate` and `preemptive_expand` do it.

use crate::audio::{CHANNELS, SAMPLE_RATE};

/// Periods that are looked for, in samples of one channel: 400 Hz down to 100 Hz, where voices are.
const SHORTEST: usize = SAMPLE_RATE as usize / 400;
const LONGEST: usize = SAMPLE_RATE as usize / 100;

/// How alike two periods have to be (normalised correlation), so that nobody hears the seam.
const ALIKE: f32 = 0.5;

/// Mean square below which it is silence (−60 dBFS), in which no seam is heard.
const SILENT: f32 = 1e-6;

/// Samples of one channel that are needed to look for a period.
pub(crate) const NEEDED: usize = 2 * LONGEST;

/// Removes one period from the start of `samples` (interleaved), and says how many samples of one channel that were. None
/// where the sound has no period, unless it is done by `force`.
pub(crate) fn shorten(samples: &mut Vec<f32>, force: bool) -> usize {
    let Some(period) = period(samples, force) else {
        return 0;
    };
    for frame in 0..period {
        let later = (frame as f32 + 0.5) / period as f32;
        for channel in 0..CHANNELS {
            let (first, second) = (frame * CHANNELS + channel, (frame + period) * CHANNELS + channel);
            samples[second] = samples[first] * (1.0 - later) + samples[second] * later;
        }
    }
    samples.drain(..period * CHANNELS);
    period
}

/// Repeats one period at the start of `samples` (interleaved), and says how many samples of one channel were added.
pub(crate) fn lengthen(samples: &mut Vec<f32>, force: bool) -> usize {
    let Some(period) = period(samples, force) else {
        return 0;
    };
    let seam: Vec<f32> = (0..period * CHANNELS)
        .map(|value| {
            let later = ((value / CHANNELS) as f32 + 0.5) / period as f32;
            samples[value + period * CHANNELS] * (1.0 - later) + samples[value] * later
        })
        .collect();
    let at = period * CHANNELS;
    samples.splice(at..at, seam);
    period
}

/// The lag, in samples of one channel, at which the sound is most like itself.
fn period(samples: &[f32], force: bool) -> Option<usize> {
    if samples.len() < NEEDED * CHANNELS {
        return None;
    }
    let mono: Vec<f32> = samples[..NEEDED * CHANNELS]
        .chunks_exact(CHANNELS)
        .map(|frame| frame.iter().sum::<f32>() / CHANNELS as f32)
        .collect();
    let energy = |part: &[f32]| part.iter().map(|value| value * value).sum::<f32>();
    if energy(&mono) / (mono.len() as f32) < SILENT {
        return Some(LONGEST);
    }
    let likeness = |lag: usize| {
        let (first, second) = (&mono[..lag], &mono[lag..2 * lag]);
        let product: f32 = first.iter().zip(second).map(|(a, b)| a * b).sum();
        product / (energy(first) * energy(second)).sqrt().max(f32::MIN_POSITIVE)
    };
    let (lag, alike) = (SHORTEST..=LONGEST)
        .map(|lag| (lag, likeness(lag)))
        .max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (force || alike >= ALIKE).then_some(lag)
}

#[cfg(test)]
// What is not in the seam is copied.
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;

    fn tone(hertz: f32, frames: usize) -> Vec<f32> {
        let sample = |n: usize| (std::f32::consts::TAU * hertz * n as f32 / SAMPLE_RATE as f32).sin() * 0.5;
        (0..frames).flat_map(|n| [sample(n); CHANNELS]).collect()
    }

    fn largest_step(samples: &[f32]) -> f32 {
        let left: Vec<f32> = samples.iter().step_by(CHANNELS).copied().collect();
        left.windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max)
    }

    /// Pitch from the rising zero crossings.
    fn crossings(samples: &[f32]) -> usize {
        let left: Vec<f32> = samples.iter().step_by(CHANNELS).copied().collect();
        left.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count()
    }

    #[test]
    fn a_tone_loses_or_gains_whole_periods_without_a_seam() {
        let original = tone(440.0, 9_600);
        for change in [shorten, lengthen] {
            let mut changed = original.clone();
            let frames = change(&mut changed, false);
            assert!((SHORTEST..=LONGEST).contains(&frames), "{frames}");
            assert_eq!(original.len().abs_diff(changed.len()), frames * CHANNELS);
            assert!(largest_step(&changed) < largest_step(&original) * 1.1, "a click");
            let hertz = crossings(&changed) as f32 / (changed.len() / CHANNELS) as f32 * SAMPLE_RATE as f32;
            assert!((hertz - 440.0).abs() < 8.0, "{hertz} Hz");
        }
    }

    /// A linear congruential generator: any noise without a period will do.
    fn noise() -> Vec<f32> {
        let mut state = 1u32;
        let sample = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.5
        };
        (0..NEEDED * CHANNELS).map(sample).collect()
    }

    #[test]
    fn noise_is_left_alone_unless_it_must_be() {
        assert_eq!(shorten(&mut noise(), false), 0);
        assert!(shorten(&mut noise(), true) > 0);
    }

    #[test]
    fn even_where_nothing_is_alike_both_ends_of_the_seam_fit() {
        let original = noise();
        let near = |a: f32, b: f32| (a - b).abs() < 0.02;
        let mut shorter = original.clone();
        let at = shorten(&mut shorter, true) * CHANNELS;
        assert!(near(shorter[0], original[0]), "it begins as before");
        assert!(
            near(shorter[at - 1], original[2 * at - 1]),
            "and goes on after what is left out"
        );
        let mut longer = original.clone();
        let at = lengthen(&mut longer, true) * CHANNELS;
        assert_eq!(longer[..at], original[..at]);
        assert!(near(longer[at], original[at]), "it goes on as before");
        assert!(
            near(longer[2 * at - 1], original[at - 1]),
            "and leads back to where it is said again"
        );
        assert_eq!(longer[2 * at..], original[at..]);
    }

    #[test]
    fn silence_can_be_cut_anywhere_and_too_little_sound_not_at_all() {
        assert_eq!(shorten(&mut vec![0.0; NEEDED * CHANNELS], false), LONGEST);
        assert_eq!(lengthen(&mut vec![0.0; NEEDED * CHANNELS - CHANNELS], true), 0);
    }
}
