//! Microphones by cpal.
//!
//! The device's callback does nothing but mix to stereo and push into a lock-free ring. Samples are stamped by counting from the first
//! one; when the count is off the media clock by more than [`DRIFT_BOUND`], because the device's crystal runs fast or slow or samples
//! were lost, the count is set to the clock again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use cpal::{
    Device, FromSample, Sample, SampleFormat, SizedSample, Stream, StreamConfig,
    traits::{DeviceTrait, HostTrait, StreamTrait},
};
use ringbuf::{
    HeapCons, HeapProd, HeapRb,
    traits::{Consumer, Observer, Producer, Split},
};
use rubato::{Fft, FixedSync, Resampler, audioadapter_buffers::direct::InterleavedSlice};

use super::{AudioCapture, AudioError, CHANNELS, PACKET, PACKET_SAMPLES, PACKET_VALUES, SAMPLE_RATE};
use crate::{
    clock::{MediaClock, MediaTime},
    devices::{DeviceChoice, MicrophoneInfo},
    source::StateCell,
};

/// How far the sample count may be off the clock. Ears forgive 45 ms between lips and sound; callbacks alone jitter by a buffer's length.
pub const DRIFT_BOUND: Duration = Duration::from_millis(40);
/// Samples that wait in the ring: half a second, far more than the encode thread is ever late, so that only a frozen machine overruns it.
const RING: Duration = Duration::from_millis(500);
/// A microphone that has said nothing for this long is lost. `PulseAudio` may wake its devices slowly.
const STALL: Duration = Duration::from_secs(2);
/// Pause between attempts to open a lost microphone.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);
/// How long the system may take to open a microphone.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the ring is looked at while too little is in it: a quarter of a packet.
const POLL: Duration = Duration::from_millis(5);

/// The microphones, the default one first.
fn find() -> Vec<(Device, MicrophoneInfo)> {
    let host = cpal::default_host();
    let default = host.default_input_device();
    let default_id = default.as_ref().and_then(|device| device.id().ok());
    let listed = host
        .input_devices()
        .map(Iterator::collect::<Vec<_>>)
        .unwrap_or_default();
    let mut found: Vec<(Device, MicrophoneInfo)> = Vec::new();
    for device in default.into_iter().chain(listed) {
        let Ok(id) = device.id() else { continue };
        let name = device
            .description()
            .map_or_else(|_| id.to_string(), |description| description.name().to_owned());
        let info = MicrophoneInfo {
            id: id.to_string(),
            name,
            default: Some(&id) == default_id.as_ref(),
        };
        if found.iter().all(|(_, known)| known.id != info.id) {
            found.push((device, info));
        }
    }
    found
}

/// Lists the microphones.
pub(crate) fn list() -> Vec<MicrophoneInfo> {
    find().into_iter().map(|(_, info)| info).collect()
}

/// What the callback tells the encode thread.
#[derive(Debug, Default)]
struct Shared {
    failed: AtomicBool,
    overruns: AtomicU64,
    /// Media time, in nanoseconds, at which the newest sample in the ring ends.
    end_nanos: AtomicU64,
}

/// A microphone that is open.
struct Open {
    /// Stops when dropped.
    _stream: Stream,
    samples: HeapCons<f32>,
    shared: Arc<Shared>,
    rate: u32,
    resampler: Option<Fft<f32>>,
    scratch: Vec<f32>,
}

impl Open {
    fn new(device: &Device, name: &str, clock: MediaClock) -> Result<Self, AudioError> {
        let failed = |error: cpal::Error| AudioError::from_cpal(name, &error);
        let supported = device.default_input_config().map_err(failed)?;
        let (config, rate) = (supported.config(), supported.sample_rate());
        let ring = rate as usize * CHANNELS * RING.as_millis() as usize / 1000;
        let (producer, samples) = HeapRb::new(ring.max(PACKET_VALUES)).split();
        let shared = Arc::new(Shared::default());
        let feed = Feed {
            producer,
            shared: Arc::clone(&shared),
            clock,
            channels: usize::from(config.channels).max(1),
            rate,
        };
        let stream = match supported.sample_format() {
            SampleFormat::I8 => build::<i8>(device, config, feed),
            SampleFormat::I16 => build::<i16>(device, config, feed),
            SampleFormat::I32 => build::<i32>(device, config, feed),
            SampleFormat::U8 => build::<u8>(device, config, feed),
            SampleFormat::U16 => build::<u16>(device, config, feed),
            SampleFormat::U32 => build::<u32>(device, config, feed),
            SampleFormat::F32 => build::<f32>(device, config, feed),
            SampleFormat::F64 => build::<f64>(device, config, feed),
            other => {
                return Err(AudioError::Unusable {
                    name: name.to_owned(),
                    format: other.to_string(),
                });
            }
        }
        .map_err(failed)?;
        stream.play().map_err(failed)?;
        let resampler = (rate != SAMPLE_RATE)
            .then(|| {
                Fft::new(
                    rate as usize,
                    SAMPLE_RATE as usize,
                    PACKET_SAMPLES,
                    CHANNELS,
                    FixedSync::Output,
                )
            })
            .transpose()
            .map_err(|error| AudioError::Unusable {
                name: name.to_owned(),
                format: format!("{rate} Hz: {error}"),
            })?;
        let scratch = vec![0.0; resampler.as_ref().map_or(0, Resampler::input_frames_max) * CHANNELS];
        Ok(Self {
            _stream: stream,
            samples,
            shared,
            rate,
            resampler,
            scratch,
        })
    }

    /// Takes a packet out of the ring. None, and nothing taken, when there is not enough in it; else when its first sample was captured,
    /// by the clock.
    fn take(&mut self, packet: &mut [f32; PACKET_VALUES]) -> Option<MediaTime> {
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

/// The device callback's end of the ring.
struct Feed {
    producer: HeapProd<f32>,
    shared: Arc<Shared>,
    clock: MediaClock,
    channels: usize,
    rate: u32,
}

impl Feed {
    /// Runs on the device's real-time thread: no lock, no allocation, no system call but reading the clock.
    fn push<T: Sample>(&mut self, data: &[T], age: Duration)
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

fn build<T>(device: &Device, config: StreamConfig, mut feed: Feed) -> Result<Stream, cpal::Error>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let shared = Arc::clone(&feed.shared);
    let on_data = move |data: &[T], info: &cpal::InputCallbackInfo| {
        let stamp = info.timestamp();
        // Hosts that know no capture time tell that of the callback, or nonsense: more than half a second is not believed.
        let age = stamp.callback.saturating_duration_since(stamp.capture);
        feed.push(data, if age < RING { age } else { Duration::ZERO });
    };
    let on_error = move |error: cpal::Error| {
        let fatal = matches!(
            error.kind(),
            cpal::ErrorKind::DeviceNotAvailable | cpal::ErrorKind::StreamInvalidated
        );
        if fatal {
            shared.failed.store(true, Ordering::Release);
        }
        tracing::debug!(%error, fatal, "microphone");
    };
    device.build_input_stream(config, on_data, on_error, Some(OPEN_TIMEOUT))
}

/// A microphone that delivers silence while it is away.
pub(crate) struct Microphone {
    choice: DeviceChoice,
    clock: MediaClock,
    state: StateCell,
    name: String,
    open: Option<Open>,
    /// When the next packet begins.
    next: MediaTime,
    last_sound: Instant,
    last_attempt: Instant,
    /// Overruns of streams that have been closed.
    past_overruns: u64,
}

impl Microphone {
    /// Opens the chosen microphone.
    pub(crate) fn open(choice: DeviceChoice, clock: MediaClock, state: &StateCell) -> Result<Self, AudioError> {
        let (open, name) = open(&choice, clock)?;
        let now = Instant::now();
        let state = state.clone();
        Ok(Self {
            choice,
            clock,
            state,
            name,
            open: Some(open),
            next: clock.now(),
            last_sound: now,
            last_attempt: now,
            past_overruns: 0,
        })
    }

    fn close(&mut self, why: &str) {
        if let Some(open) = self.open.take() {
            self.past_overruns += open.shared.overruns.load(Ordering::Acquire);
        }
        self.state.set_lost(&self.name, why);
        self.last_attempt = Instant::now();
    }

    fn try_reopen(&mut self) {
        if self.last_attempt.elapsed() >= REOPEN_INTERVAL {
            self.last_attempt = Instant::now();
            match open(&self.choice, self.clock) {
                Ok((open, name)) => {
                    (self.open, self.name) = (Some(open), name);
                    self.last_sound = Instant::now();
                }
                Err(error) => tracing::debug!(%error, "cannot reopen the microphone yet"),
            }
        }
    }

    /// Stamps a packet that was captured at `measured` by the clock.
    fn stamp(&mut self, measured: MediaTime) -> MediaTime {
        if self.next.as_duration().abs_diff(measured.as_duration()) > DRIFT_BOUND {
            tracing::debug!(counted = ?self.next, ?measured, "sample count set to the clock");
            self.next = measured;
        }
        let stamp = self.next;
        self.next = self.next.plus(PACKET);
        stamp
    }
}

impl AudioCapture for Microphone {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, packet: &mut [f32; PACKET_VALUES]) -> MediaTime {
        loop {
            if let Some(open) = &mut self.open {
                if let Some(measured) = open.take(packet) {
                    self.last_sound = Instant::now();
                    self.state.set_live(&self.name);
                    return self.stamp(measured);
                }
                if open.shared.failed.load(Ordering::Acquire) {
                    self.close("the microphone was disconnected");
                } else if self.last_sound.elapsed() >= STALL {
                    self.close("no sound for two seconds");
                }
            } else {
                self.try_reopen();
            }
            // Silence, a little behind the clock, so that it ends where the sound begins again.
            if self.clock.now().saturating_since(self.next) > PACKET + DRIFT_BOUND * 4 {
                packet.fill(0.0);
                let stamp = self.next;
                self.next = self.next.plus(PACKET);
                return stamp;
            }
            thread::sleep(POLL);
        }
    }

    fn overruns(&self) -> u64 {
        self.past_overruns
            + self
                .open
                .as_ref()
                .map_or(0, |open| open.shared.overruns.load(Ordering::Acquire))
    }
}

fn open(choice: &DeviceChoice, clock: MediaClock) -> Result<(Open, String), AudioError> {
    let found = find();
    let list: Vec<(&str, &str)> = found
        .iter()
        .map(|(_, info)| (info.id.as_str(), info.name.as_str()))
        .collect();
    let (device, info) = match choice.position(&list) {
        Some(position) => &found[position],
        None if found.is_empty() => return Err(AudioError::NoDevice),
        None => {
            let available = list.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
            return Err(AudioError::NotFound {
                wanted: choice.to_string(),
                available,
            });
        }
    };
    Ok((Open::new(device, &info.name, clock)?, info.name.clone()))
}
