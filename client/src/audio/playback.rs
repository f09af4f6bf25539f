//! Loudspeakers and headphones by cpal.
//!
//! Whoever mixes asks [`Speaker::wants_block`] and hands over blocks of 10 ms; the device's own clock thereby paces the
//! mixing. While the device is away the system's clock does, so that everything goes on but the sound, and the device is
//! opened again as soon as it is back.

mod ring;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, Device, FromSample, SampleFormat, SizedSample, Stream, StreamConfig, SupportedBufferSize};
use ring::{Drain, Fill};
use serde::Serialize;
use tokio::sync::watch;

use super::{CHANNELS, SAMPLE_RATE};
use crate::devices::DeviceChoice;

/// Samples of one channel that are mixed at a time: 10 ms, the block in which echo cancellers work.
pub const BLOCK_SAMPLES: usize = SAMPLE_RATE as usize / 100;
/// Values of interleaved samples in a block.
pub const BLOCK_VALUES: usize = BLOCK_SAMPLES * CHANNELS;
/// Length of a block.
pub const BLOCK: Duration = Duration::from_millis(10);

/// What a device is asked to take at once: more would be heard later, less would wake the machine more often.
const DEVICE_BUFFER: Duration = Duration::from_millis(10);
/// A device that has asked for nothing for this long is lost. `PulseAudio` may wake its devices slowly.
const STALL: Duration = Duration::from_secs(3);
/// Pause between attempts to open a lost device.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);
/// How long the system may take to open a device.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// Mixing that is later than this was frozen: what was missed is not made up for.
const LATE: Duration = Duration::from_millis(100);
/// A device that claims to be further behind is not believed.
const MOST_AHEAD: Duration = Duration::from_secs(1);

/// Where sound goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A device.
    Device(DeviceChoice),
    /// Nowhere: everything is mixed, and only the reference signal is there to be heard.
    None,
}

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaybackError {
    /// There is none.
    #[error("no loudspeaker or headphones were found")]
    NoDevice,
    /// None is called what was asked for.
    #[error("no sound output matches '{wanted}'; there is: {available}")]
    NotFound {
        /// What was asked for.
        wanted: String,
        /// The names that would have worked.
        available: String,
    },
    /// It takes samples that cannot be made.
    #[error("sound output '{name}' takes {format}, which cannot be made")]
    Unusable {
        /// The device's name.
        name: String,
        /// What it takes.
        format: String,
    },
    /// The system could not open it.
    #[error("sound output '{name}' failed: {reason}")]
    Failed {
        /// The device's name.
        name: String,
        /// What the system said.
        reason: String,
    },
}

/// Whether anything can be heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SoundState {
    /// Nobody asked for sound.
    Off,
    /// The device is being opened.
    Opening,
    /// It plays.
    Playing {
        /// The device's name.
        device: String,
    },
    /// There is no sound. It is tried again until there is.
    Lost {
        /// What happened, for people.
        why: String,
    },
}

/// A loudspeaker, headphones, or another sound output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpeakerInfo {
    /// The host's id of the device.
    pub id: String,
    /// What the system calls it.
    pub name: String,
    /// Whether the system uses it where nothing else is asked for.
    pub default: bool,
}

/// Lists the sound outputs, the default one first. A system service that hangs makes this hang.
pub fn list() -> Vec<SpeakerInfo> {
    find().into_iter().map(|(_, info)| info).collect()
}

fn find() -> Vec<(Device, SpeakerInfo)> {
    let host = cpal::default_host();
    let default = host.default_output_device();
    let default_id = default.as_ref().and_then(|device| device.id().ok());
    let listed = host
        .output_devices()
        .map(Iterator::collect::<Vec<_>>)
        .unwrap_or_default();
    let mut found: Vec<(Device, SpeakerInfo)> = Vec::new();
    for device in default.into_iter().chain(listed) {
        let Ok(id) = device.id() else { continue };
        let name = device
            .description()
            .map_or_else(|_| id.to_string(), |description| description.name().to_owned());
        let info = SpeakerInfo {
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

/// A device that is open.
struct Opened {
    name: String,
    /// Stops when dropped.
    _stream: Box<dyn Send>,
    fill: Fill,
}

/// Opens the device; called again when it was lost.
type Open = dyn Fn() -> Result<Opened, PlaybackError> + Send + Sync;

fn open(choice: &DeviceChoice) -> Result<Opened, PlaybackError> {
    let found = find();
    let list: Vec<(&str, &str)> = found
        .iter()
        .map(|(_, info)| (info.id.as_str(), info.name.as_str()))
        .collect();
    let (device, info) = match choice.position(&list) {
        Some(position) => &found[position],
        None if found.is_empty() => return Err(PlaybackError::NoDevice),
        None => {
            let available = list.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
            let wanted = choice.to_string();
            return Err(PlaybackError::NotFound { wanted, available });
        }
    };
    open_device(device, &info.name)
}

fn open_device(device: &Device, name: &str) -> Result<Opened, PlaybackError> {
    let failed = |error: cpal::Error| PlaybackError::Failed {
        name: name.to_owned(),
        reason: error.to_string(),
    };
    let unusable = |format: String| PlaybackError::Unusable {
        name: name.to_owned(),
        format,
    };
    let supported = device.default_output_config().map_err(failed)?;
    let rate = supported.sample_rate();
    let small = match supported.buffer_size() {
        SupportedBufferSize::Range { min, max } => {
            let wanted = rate * DEVICE_BUFFER.as_millis() as u32 / 1000;
            (*min <= *max).then(|| BufferSize::Fixed(wanted.clamp(*min, *max)))
        }
        SupportedBufferSize::Unknown => None,
    };
    // Not every device keeps what it promises about its buffers.
    let mut failure = None;
    for buffer_size in small.into_iter().chain([BufferSize::Default]) {
        let mut config = supported.config();
        config.buffer_size = buffer_size;
        let (fill, drain) =
            ring::ring(rate, config.channels).map_err(|error| unusable(format!("{rate} Hz: {error}")))?;
        let built = match supported.sample_format() {
            SampleFormat::I8 => build::<i8>(device, config, drain),
            SampleFormat::I16 => build::<i16>(device, config, drain),
            SampleFormat::I32 => build::<i32>(device, config, drain),
            SampleFormat::U8 => build::<u8>(device, config, drain),
            SampleFormat::U16 => build::<u16>(device, config, drain),
            SampleFormat::U32 => build::<u32>(device, config, drain),
            SampleFormat::F32 => build::<f32>(device, config, drain),
            SampleFormat::F64 => build::<f64>(device, config, drain),
            other => return Err(unusable(other.to_string())),
        };
        match built.and_then(|stream| stream.play().map(|()| stream)) {
            Ok(stream) => {
                let name = name.to_owned();
                return Ok(Opened {
                    name,
                    _stream: Box::new(stream),
                    fill,
                });
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.map_or(PlaybackError::NoDevice, failed))
}

fn build<T>(device: &Device, config: StreamConfig, mut drain: Drain) -> Result<Stream, cpal::Error>
where
    T: SizedSample + FromSample<f32>,
{
    let shared = Arc::clone(drain.shared());
    let on_data = move |data: &mut [T], info: &cpal::OutputCallbackInfo| {
        let stamp = info.timestamp();
        let ahead = stamp.playback.saturating_duration_since(stamp.callback);
        drain.fill(data, if ahead < MOST_AHEAD { ahead } else { Duration::ZERO });
    };
    let on_error = move |error: cpal::Error| {
        let fatal = matches!(
            error.kind(),
            cpal::ErrorKind::DeviceNotAvailable | cpal::ErrorKind::StreamInvalidated
        );
        if fatal {
            shared.failed.store(true, Ordering::Release);
        }
        tracing::debug!(%error, fatal, "sound output");
    };
    device.build_output_stream(config, on_data, on_error, Some(OPEN_TIMEOUT))
}

/// Where the device is.
enum Link {
    Open(Box<Opened>),
    /// Being opened on a thread of its own, since the system may take seconds over it.
    Opening(mpsc::Receiver<Result<Box<Opened>, PlaybackError>>),
    /// Away since then.
    Away(Instant),
    /// None is wanted.
    Off,
}

/// A sound output that takes blocks at the pace of its device, or of the clock while that is away.
pub(crate) struct Speaker {
    open: Arc<Open>,
    link: Link,
    state: watch::Sender<SoundState>,
    /// When the next block is due by the clock.
    due: Instant,
    /// How often the device had asked, and since when that is so.
    asked: (u64, Instant),
    /// Of devices that were lost.
    past_underruns: u64,
}

impl Speaker {
    /// A speaker that begins to open its device.
    pub(crate) fn new(output: Output, state: watch::Sender<SoundState>) -> Self {
        match output {
            Output::None => Self::with(None, state),
            Output::Device(choice) => Self::with(Some(Arc::new(move || open(&choice))), state),
        }
    }

    fn with(open: Option<Arc<Open>>, state: watch::Sender<SoundState>) -> Self {
        let now = Instant::now();
        let link = open.as_ref().map_or(Link::Off, |open| reopen(open, None));
        state.send_replace(if open.is_some() {
            SoundState::Opening
        } else {
            SoundState::Off
        });
        Self {
            open: open.unwrap_or_else(|| Arc::new(|| Err(PlaybackError::NoDevice))),
            link,
            state,
            due: now,
            asked: (0, now),
            past_underruns: 0,
        }
    }

    /// Whether a block is wanted at `now`. Sees to the device as well.
    pub(crate) fn wants_block(&mut self, now: Instant) -> bool {
        self.tend(now);
        if let Link::Open(opened) = &self.link {
            return opened.fill.is_low();
        }
        if now > self.due + LATE {
            self.due = now;
        }
        now >= self.due
    }

    /// Takes a block.
    pub(crate) fn write(&mut self, block: &[f32; BLOCK_VALUES]) {
        match &mut self.link {
            Link::Open(opened) => opened.fill.push(block),
            _ => self.due += BLOCK,
        }
    }

    /// From [`Speaker::write`] until the block's first sample is heard.
    pub(crate) fn latency(&self) -> Duration {
        match &self.link {
            Link::Open(opened) => opened.fill.latency(),
            _ => Duration::ZERO,
        }
    }

    /// Times that the device got less than it asked for.
    pub(crate) fn underruns(&self) -> u64 {
        match &self.link {
            Link::Open(opened) => self.past_underruns + opened.fill.shared().underruns.load(Ordering::Acquire),
            _ => self.past_underruns,
        }
    }

    fn tend(&mut self, now: Instant) {
        match &self.link {
            Link::Open(opened) => {
                let shared = opened.fill.shared();
                let calls = shared.calls.load(Ordering::Acquire);
                if calls != self.asked.0 {
                    self.asked = (calls, now);
                }
                if shared.failed.load(Ordering::Acquire) {
                    self.lose("the sound output was disconnected", now);
                } else if now.saturating_duration_since(self.asked.1) >= STALL {
                    self.lose("the sound output has stopped", now);
                }
            }
            Link::Opening(answer) => match answer.try_recv() {
                Ok(Ok(opened)) => {
                    let device = opened.name.clone();
                    self.tell(SoundState::Playing { device });
                    self.link = Link::Open(opened);
                    self.asked = (0, now);
                }
                Ok(Err(error)) => {
                    self.tell(SoundState::Lost { why: error.to_string() });
                    self.away(now);
                }
                // Its driver panicked.
                Err(TryRecvError::Disconnected) => self.away(now),
                Err(TryRecvError::Empty) => {}
            },
            Link::Away(since) if now.saturating_duration_since(*since) >= REOPEN_INTERVAL => {
                self.link = reopen(&self.open, None);
            }
            Link::Away(_) | Link::Off => {}
        }
    }

    fn away(&mut self, now: Instant) {
        self.link = Link::Away(now);
    }

    fn lose(&mut self, why: &str, now: Instant) {
        self.past_underruns = self.underruns();
        self.tell(SoundState::Lost { why: why.to_owned() });
        self.due = now;
        if let Link::Open(lost) = std::mem::replace(&mut self.link, Link::Away(now)) {
            self.link = reopen(&self.open, Some(lost));
        }
    }

    fn tell(&self, news: SoundState) {
        self.state.send_if_modified(|state| {
            let changed = *state != news;
            if changed {
                tracing::info!(state = ?news, "sound output");
                *state = news;
            }
            changed
        });
    }
}

/// Closes what is left of a lost device and opens it again, on a thread of its own.
fn reopen(open: &Arc<Open>, lost: Option<Box<Opened>>) -> Link {
    let (sender, answer) = mpsc::sync_channel(1);
    let open = Arc::clone(open);
    let spawned = thread::Builder::new().name("speaker-open".into()).spawn(move || {
        drop(lost);
        // Nobody listens any more when the speaker was given up in the meantime; then it is closed here.
        let _ = sender.send(open().map(Box::new));
    });
    match spawned {
        Ok(_) => Link::Opening(answer),
        Err(error) => {
            tracing::warn!(%error, "cannot open the sound output yet");
            Link::Away(Instant::now())
        }
    }
}

#[cfg(test)]
mod tests;
