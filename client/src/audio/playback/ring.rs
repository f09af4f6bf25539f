//! The lock-free ring between whoever mixes and the device's callback, with what happens to samples on both sides of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cpal::{FromSample, Sample};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, FixedAsync, Resampler, ResamplerConstructionError, SincInterpolationParameters, WindowFunction};

use super::{BLOCK_SAMPLES, BLOCK_VALUES};
use crate::audio::{CHANNELS, SAMPLE_RATE};

/// What the ring holds at most: half a second, more than any device takes at once.
const LENGTH: Duration = Duration::from_millis(500);

/// What is kept in the ring beyond what the device takes at once: by how much the mixing thread may be late.
const MARGIN: Duration = Duration::from_millis(15);

/// Taps of the resampler's filter, as for the microphone.
const RESAMPLER_TAPS: usize = 128;

/// What the callback tells the mixing thread.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) failed: AtomicBool,
    /// Times that the device asked.
    pub(super) calls: AtomicU64,
    /// Times that it got less than it asked for.
    pub(super) underruns: AtomicU64,
    /// Most samples of one channel that it asked for at once.
    largest: AtomicU64,
    /// From the callback to being heard, in nanoseconds.
    ahead_nanos: AtomicU64,
}

/// Both ends of a ring for a device of `channels` interleaved channels at `rate` hertz.
pub(super) fn ring(rate: u32, channels: u16) -> Result<(Fill, Drain), ResamplerConstructionError> {
    let length = rate as usize * CHANNELS * LENGTH.as_millis() as usize / 1000;
    let (producer, samples) = HeapRb::new(length.max(BLOCK_VALUES)).split();
    let shared = Arc::new(Shared::default());
    let resampler = (rate != SAMPLE_RATE)
        .then(|| {
            Async::new_sinc(
                f64::from(rate) / f64::from(SAMPLE_RATE),
                // The ratio stays as it is.
                1.0,
                &SincInterpolationParameters::new(RESAMPLER_TAPS, WindowFunction::BlackmanHarris2),
                BLOCK_SAMPLES,
                CHANNELS,
                FixedAsync::Input,
            )
        })
        .transpose()?;
    let scratch = vec![0.0; resampler.as_ref().map_or(0, Resampler::output_frames_max) * CHANNELS];
    let fill = Fill {
        producer,
        shared: Arc::clone(&shared),
        rate,
        resampler,
        scratch,
    };
    let drain = Drain {
        samples,
        shared,
        channels: usize::from(channels).max(1),
    };
    Ok((fill, drain))
}

/// The mixing thread's end.
pub(super) struct Fill {
    producer: HeapProd<f32>,
    shared: Arc<Shared>,
    rate: u32,
    resampler: Option<Async<f32>>,
    scratch: Vec<f32>,
}

impl Fill {
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Whether the device may ask for more than there is.
    pub(super) fn is_low(&self) -> bool {
        let largest = self.shared.largest.load(Ordering::Acquire) as usize;
        let margin = self.samples_in(MARGIN);
        let wanted = (largest + margin).min(self.producer.capacity().get() / CHANNELS - margin);
        self.waiting() < wanted
    }

    /// Until what is pushed next is heard.
    pub(super) fn latency(&self) -> Duration {
        let queued = Duration::from_secs(1) * self.waiting() as u32 / self.rate;
        let filter = self.resampler.as_ref().map_or(0, Resampler::output_delay);
        let filter = Duration::from_secs(1) * filter as u32 / self.rate;
        queued + filter + Duration::from_nanos(self.shared.ahead_nanos.load(Ordering::Acquire))
    }

    /// Hands a block over. What finds no room is left out, which only happens when the device has stopped asking.
    pub(super) fn push(&mut self, block: &[f32; BLOCK_VALUES]) {
        let Some(resampler) = &mut self.resampler else {
            self.producer.push_slice(block);
            return;
        };
        let frames = self.scratch.len() / CHANNELS;
        let adapted = InterleavedSlice::new(block.as_slice(), CHANNELS, BLOCK_SAMPLES)
            .ok()
            .zip(InterleavedSlice::new_mut(&mut self.scratch, CHANNELS, frames).ok());
        let Some((input, mut output)) = adapted else { return };
        if let Ok((_, made)) = resampler.process_into_buffer(&input, &mut output, None) {
            self.producer.push_slice(&self.scratch[..made * CHANNELS]);
        }
    }

    fn waiting(&self) -> usize {
        self.producer.occupied_len() / CHANNELS
    }

    fn samples_in(&self, time: Duration) -> usize {
        self.rate as usize * time.as_millis() as usize / 1000
    }
}

/// The device callback's end.
pub(super) struct Drain {
    samples: HeapCons<f32>,
    shared: Arc<Shared>,
    channels: usize,
}

impl Drain {
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Fills `data`, which is heard after `ahead`. Runs on the device's real-time thread: no lock, no allocation, no system
    /// call.
    pub(super) fn fill<T: Sample + FromSample<f32>>(&mut self, data: &mut [T], ahead: Duration) {
        let asked = data.len() / self.channels;
        let mut given = 0;
        for frame in data.chunks_mut(self.channels) {
            let mut stereo = [0.0; CHANNELS];
            if self.samples.occupied_len() >= CHANNELS {
                self.samples.pop_slice(&mut stereo);
                given += 1;
            }
            let [left, right] = stereo;
            match frame {
                [only] => *only = T::from_sample(f32::midpoint(left, right)),
                [first, second, rest @ ..] => {
                    (*first, *second) = (T::from_sample(left), T::from_sample(right));
                    rest.fill(T::from_sample(0.0));
                }
                [] => {}
            }
        }
        self.shared.calls.fetch_add(1, Ordering::AcqRel);
        self.shared.largest.fetch_max(asked as u64, Ordering::AcqRel);
        self.shared
            .ahead_nanos
            .store(ahead.as_nanos() as u64, Ordering::Release);
        if given < asked {
            self.shared.underruns.fetch_add(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
// Samples are copied and halved: what is expected is exact.
#[allow(clippy::float_cmp)]
mod tests {
    use super::*;

    fn block(left: f32, right: f32) -> [f32; BLOCK_VALUES] {
        std::array::from_fn(|n| if n % CHANNELS == 0 { left } else { right })
    }

    #[test]
    fn left_and_right_go_to_the_first_two_channels_or_both_to_the_only_one() {
        for (channels, expected) in [(1, vec![0.5]), (2, vec![0.25, 0.75]), (4, vec![0.25, 0.75, 0.0, 0.0])] {
            let (mut fill, mut drain) = ring(SAMPLE_RATE, channels).expect("a ring");
            fill.push(&block(0.25, 0.75));
            let mut data = vec![9.0_f32; 3 * usize::from(channels)];
            drain.fill(&mut data, Duration::ZERO);
            assert_eq!(data, expected.repeat(3));
        }
    }

    #[test]
    fn what_is_missing_is_silence_and_is_counted() {
        let (mut fill, mut drain) = ring(SAMPLE_RATE, 2).expect("a ring");
        fill.push(&block(0.5, 0.5));
        let mut data = vec![9.0_f32; BLOCK_VALUES + 2 * CHANNELS];
        drain.fill(&mut data, Duration::ZERO);
        assert_eq!(data[BLOCK_VALUES - 1..], [0.5, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(fill.shared().underruns.load(Ordering::Acquire), 1);
    }

    #[test]
    fn the_ring_is_kept_as_full_as_the_device_needs_it() {
        let (mut fill, mut drain) = ring(SAMPLE_RATE, 2).expect("a ring");
        let filled = |fill: &mut Fill| {
            while fill.is_low() {
                fill.push(&block(0.0, 0.0));
            }
            fill.latency()
        };
        assert_eq!(filled(&mut fill), Duration::from_millis(20));
        // A device that takes 50 ms at once, and needs another 5 to be heard.
        drain.fill(&mut vec![0.0_f32; 5 * BLOCK_VALUES], Duration::from_millis(5));
        assert_eq!(filled(&mut fill), Duration::from_millis(70 + 5));
        drain.fill(&mut vec![0.0_f32; 5 * BLOCK_VALUES], Duration::from_millis(5));
        assert_eq!(
            fill.shared().underruns.load(Ordering::Acquire),
            1,
            "the first time only"
        );
    }

    #[test]
    fn a_device_of_another_rate_gets_as_many_seconds_and_the_same_pitch() {
        let (mut fill, mut drain) = ring(44_100, 2).expect("a ring");
        let mut heard = Vec::new();
        for number in 0..100 {
            let tone = std::array::from_fn(|n| {
                let sample = (number * BLOCK_SAMPLES + n / CHANNELS) as f32;
                (std::f32::consts::TAU * 440.0 * sample / SAMPLE_RATE as f32).sin()
            });
            fill.push(&tone);
            let mut data = vec![0.0_f32; fill.waiting() * CHANNELS];
            drain.fill(&mut data, Duration::ZERO);
            heard.extend(data.chunks(CHANNELS).map(|frame| frame[0]));
        }
        assert!(heard.len().abs_diff(44_100) < 100, "{}", heard.len());
        // The filter rings faintly before the tone begins.
        let settled = &heard[4_410..];
        let rising = settled
            .windows(2)
            .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0)
            .count();
        let hertz = rising as f32 * 44_100.0 / settled.len() as f32;
        assert!((hertz - 440.0).abs() < 2.0, "{hertz} Hz");
        let last = &heard[40_000..];
        let peak = last.iter().fold(0.0_f32, |peak, value| peak.max(value.abs()));
        assert!((0.97..1.03).contains(&peak), "{peak}");
    }
}
