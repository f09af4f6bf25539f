//! The lock-free ring between the device's callback and the encode thread, with what happens to samples on both sides of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cpal::{FromSample, Sample};
use ringbuf::{
    HeapCons, HeapProd, HeapRb,
    traits::{Consumer, Observer, Producer, Split},
};
use rubato::{
    Async, FixedAsync, Resampler, ResamplerConstructionError, SincInterpolationParameters, WindowFunction,
    audioadapter_buffers::direct::InterleavedSlice,
};

use super::super::{CHANNELS, PACKET_SAMPLES, PACKET_VALUES, SAMPLE_RATE};
use crate::clock::{MediaClock, MediaTime};

/// Samples that wait in the ring: half a second, far more than the encode thread is ever late, so that only a frozen machine overruns it.
pub(super) const LENGTH: Duration = Duration::from_millis(500);

/// Taps of the resampler's filter: flat up to 17 kHz at 44.1 kHz, for a delay of a millisecond and a half. An FFT resampler
/// would delay ten times as much, and compiles for a minute, since all its code is generic.
const RESAMPLER_TAPS: usize = 128;

/// What the callback tells the encode thread.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) failed: AtomicBool,
    pub(super) overruns: AtomicU64,
    /// Media time, in nanoseconds, at which the newest sample in the ring ends.
    end_nanos: AtomicU64,
}

/// Both ends of a ring for a device of `channels` interleaved channels at `rate` hertz.
pub(super) fn ring(rate: u32, channels: u16, clock: MediaClock) -> Result<(Feed, Drain), ResamplerConstructionError> {
    let length = rate as usize * CHANNELS * LENGTH.as_millis() as usize / 1000;
    let (producer, samples) = HeapRb::new(length.max(PACKET_VALUES)).split();
    let shared = Arc::new(Shared::default());
    let resampler = (rate != SAMPLE_RATE)
        .then(|| {
            Async::new_sinc(
                f64::from(SAMPLE_RATE) / f64::from(rate),
                // The ratio stays as it is.
                1.0,
                &SincInterpolationParameters::new(RESAMPLER_TAPS, WindowFunction::BlackmanHarris2),
                PACKET_SAMPLES,
                CHANNELS,
                FixedAsync::Output,
            )
        })
        .transpose()?;
    let scratch = vec![0.0; resampler.as_ref().map_or(0, Resampler::input_frames_max) * CHANNELS];
    let feed = Feed {
        producer,
        shared: Arc::clone(&shared),
        clock,
        channels: usize::from(channels).max(1),
        rate,
    };
    let drain = Drain {
        samples,
        shared,
        rate,
        resampler,
        scratch,
    };
    Ok((feed, drain))
}

/// The encode thread's end.
pub(super) struct Drain {
    samples: HeapCons<f32>,
    shared: Arc<Shared>,
    rate: u32,
    resampler: Option<Async<f32>>,
    scratch: Vec<f32>,
}

impl Drain {
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Takes a packet out of the ring. None, and nothing taken, when there is not enough in it; else when its first sample was captured,
    /// by the clock.
    pub(super) fn take(&mut self, packet: &mut [f32; PACKET_VALUES]) -> Option<MediaTime> {
        let frames = self
            .resampler
            .as_ref()
            .map_or(PACKET_SAMPLES, Resampler::input_frames_next);
        // The end is read first: what is pushed in between makes the packet seem older by one callback, which is within the bound.
        let end = Duration::from_nanos(self.shared.end_nanos.load(Ordering::Acquire));
        let waiting = self.samples.occupied_len() / CHANNELS;
        if waiting < frames {
            return None;
        }
        let captured = MediaTime::from_duration(end).minus(Duration::from_secs(1) * waiting as u32 / self.rate);
        let Some(resampler) = &mut self.resampler else {
            self.samples.pop_slice(packet);
            return Some(captured);
        };
        let input = &mut self.scratch[..frames * CHANNELS];
        self.samples.pop_slice(input);
        let input = InterleavedSlice::new(input, CHANNELS, frames).ok()?;
        let mut output = InterleavedSlice::new_mut(packet, CHANNELS, PACKET_SAMPLES).ok()?;
        resampler.process_into_buffer(&input, &mut output, None).ok()?;
        let delay = Duration::from_secs(1) * resampler.output_delay() as u32 / SAMPLE_RATE;
        Some(captured.minus(delay))
    }
}

/// The device callback's end.
pub(super) struct Feed {
    producer: HeapProd<f32>,
    shared: Arc<Shared>,
    clock: MediaClock,
    channels: usize,
    rate: u32,
}

impl Feed {
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Runs on the device's real-time thread: no lock, no allocation, no system call but reading the clock.
    pub(super) fn push<T: Sample>(&mut self, data: &[T], age: Duration)
    where
        f32: FromSample<T>,
    {
        let frames = data.len() / self.channels;
        let (channels, right) = (self.channels, usize::from(self.channels > 1));
        // One channel goes to both sides; of more than two, the first two are front left and right.
        let stereo = data
            .chunks_exact(channels)
            .flat_map(|frame| [frame[0].to_sample::<f32>(), frame[right].to_sample::<f32>()]);
        // Whole frames only, or left and right would change sides.
        let room = self.producer.vacant_len() / CHANNELS * CHANNELS;
        self.producer.push_iter(stereo.take(room));
        if room < frames * CHANNELS {
            self.shared.overruns.fetch_add(1, Ordering::AcqRel);
        }
        let length = Duration::from_secs(1) * frames as u32 / self.rate;
        let end = self.clock.now().minus(age).plus(length);
        self.shared
            .end_nanos
            .store(end.as_duration().as_nanos() as u64, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
