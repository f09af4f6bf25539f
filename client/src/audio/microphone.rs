//! Microphones by cpal.
//!
//! The device's callback does nothing but mix to stereo and push into a lock-free ring. Samples are stamped by counting from the first
//! one; when the count is off the media clock by more than [`DRIFT_BOUND`], because the device's crystal runs fast or slow or samples
//! were lost, the count is set to the clock again.

mod ring;

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::Ordering,
        mpsc::{self, RecvTimeoutError, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use cpal::{
    Device, FromSample, SampleFormat, SizedSample, Stream, StreamConfig,
    traits::{DeviceTrait, HostTrait, StreamTrait},
};
use ring::{Drain, Feed};

use super::{
    AudioCapture, AudioError, PACKET, PACKET_VALUES,
    host::{CLOSE_TIMEOUT, Known, close, each_once, host, is_fatal},
};
use crate::{
    clock::{MediaClock, MediaTime},
    devices::{DeviceChoice, MicrophoneInfo},
    source::StateCell,
};

/// How far the sample count may be off the clock. Ears forgive 45 ms between lips and sound; callbacks alone jitter by a buffer's length.
pub const DRIFT_BOUND: Duration = Duration::from_millis(40);
/// A microphone that has said nothing for this long is lost. `PulseAudio` may wake its devices slowly.
const STALL: Duration = Duration::from_secs(2);
/// Pause between attempts to open a lost microphone.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);
/// How long the system may take to open a microphone.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long finding and opening it may take together. A driver or sound server that hangs must not hang the program.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
/// How often the ring is looked at while too little is in it: a quarter of a packet.
const POLL: Duration = Duration::from_millis(5);

/// The microphones, the default one first.
fn find() -> Vec<Known> {
    let host = host();
    let default = host.default_input_device();
    let listed = host
        .input_devices()
        .map(Iterator::collect::<Vec<_>>)
        .unwrap_or_default();
    each_once(default.as_ref(), default.clone().into_iter().chain(listed))
}

/// Lists the microphones.
pub(crate) fn list() -> Vec<MicrophoneInfo> {
    let info = |Known { id, name, default, .. }| MicrophoneInfo { id, name, default };
    find().into_iter().map(info).collect()
}

/// A microphone that is open.
struct Opened {
    name: String,
    /// Stops when dropped.
    _stream: Box<dyn Send>,
    drain: Drain,
}

/// Opens the microphone; called again when it was lost.
type Open = dyn Fn() -> Result<Opened, AudioError> + Send + Sync;

/// What tells a microphone that comes back from the others.
#[derive(Debug)]
struct Identity {
    id: String,
    name: String,
}

/// Opens the chosen microphone, and when it was lost the very same one again. The system's own is whichever it is then.
fn opener(choice: DeviceChoice, clock: MediaClock) -> Arc<Open> {
    let opened: OnceLock<Identity> = OnceLock::new();
    Arc::new(move || {
        let found = find();
        let list: Vec<(&str, &str)> = found
            .iter()
            .map(|known| (known.id.as_str(), known.name.as_str()))
            .collect();
        let known = &found[place(&choice, opened.get(), &list)?];
        let microphone = open_device(&known.device, &known.name, clock)?;
        if choice != DeviceChoice::Default {
            opened.get_or_init(|| Identity {
                id: known.id.clone(),
                name: known.name.clone(),
            });
        }
        Ok(microphone)
    })
}

/// Place of the microphone to open in a list of (id, name): the one that was open before, else the chosen one.
fn place(choice: &DeviceChoice, before: Option<&Identity>, list: &[(&str, &str)]) -> Result<usize, AudioError> {
    if let Some(Identity { id, name }) = before {
        let same = list.iter().position(|(other, _)| other == id);
        return same.ok_or_else(|| AudioError::Failed {
            name: name.clone(),
            reason: "it is not plugged in".to_owned(),
        });
    }
    choice.position(list).ok_or_else(|| {
        if list.is_empty() {
            return AudioError::NoDevice;
        }
        let available = list.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
        AudioError::NotFound {
            wanted: choice.to_string(),
            available,
        }
    })
}

fn open_device(device: &Device, name: &str, clock: MediaClock) -> Result<Opened, AudioError> {
    let failed = |error: cpal::Error| AudioError::from_cpal(name, &error);
    let unusable = |format: String| AudioError::Unusable {
        name: name.to_owned(),
        format,
    };
    let supported = device.default_input_config().map_err(failed)?;
    let (config, rate) = (supported.config(), supported.sample_rate());
    let (feed, drain) =
        ring::ring(rate, config.channels, clock).map_err(|error| unusable(format!("{rate} Hz: {error}")))?;
    let stream = match supported.sample_format() {
        SampleFormat::I8 => build::<i8>(device, config, feed),
        SampleFormat::I16 => build::<i16>(device, config, feed),
        SampleFormat::I32 => build::<i32>(device, config, feed),
        SampleFormat::U8 => build::<u8>(device, config, feed),
        SampleFormat::U16 => build::<u16>(device, config, feed),
        SampleFormat::U32 => build::<u32>(device, config, feed),
        SampleFormat::F32 => build::<f32>(device, config, feed),
        SampleFormat::F64 => build::<f64>(device, config, feed),
        other => return Err(unusable(other.to_string())),
    }
    .map_err(failed)?;
    stream.play().map_err(failed)?;
    Ok(Opened {
        name: name.to_owned(),
        _stream: Box::new(stream),
        drain,
    })
}

fn build<T>(device: &Device, config: StreamConfig, mut feed: Feed) -> Result<Stream, cpal::Error>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let shared = Arc::clone(feed.shared());
    let on_data = move |data: &[T], info: &cpal::InputCallbackInfo| {
        let stamp = info.timestamp();
        // Hosts that know no capture time tell that of the callback, or nonsense: more than half a second is not believed.
        let age = stamp.callback.saturating_duration_since(stamp.capture);
        feed.push(data, if age < ring::LENGTH { age } else { Duration::ZERO });
    };
    let on_error = move |error: cpal::Error| {
        let fatal = is_fatal(&error);
        if fatal {
            shared.failed.store(true, Ordering::Release);
        }
        tracing::debug!(%error, fatal, "microphone");
    };
    device.build_input_stream(config, on_data, on_error, Some(OPEN_TIMEOUT))
}

/// Where the device is.
enum Link {
    Open(Box<Opened>),
    /// Being opened on a thread of its own, since the system may take seconds over it and silence has to go on.
    Opening(Answer),
    /// Away since then.
    Away(Instant),
}

/// What comes of opening it. Disconnected where its driver panicked.
type Answer = mpsc::Receiver<Result<Box<Opened>, AudioError>>;

/// Closes what is left of a lost microphone and opens it again.
fn reopen(open: &Arc<Open>, lost: Option<Box<Opened>>) -> Link {
    aside(open, lost).map_or_else(
        |error| {
            tracing::warn!(%error, "cannot reopen the microphone yet");
            Link::Away(Instant::now())
        },
        Link::Opening,
    )
}

/// Opens it on a thread of its own, which is left behind where it hangs.
fn aside(open: &Arc<Open>, lost: Option<Box<Opened>>) -> io::Result<Answer> {
    let (sender, answer) = mpsc::sync_channel(1);
    let open = Arc::clone(open);
    thread::Builder::new().name("microphone-open".into()).spawn(move || {
        if let Some(lost) = lost {
            // Some devices can be opened only once at a time.
            let _ = close(lost).recv_timeout(CLOSE_TIMEOUT);
        }
        // Nobody listens any more when the microphone was given up in the meantime; then it is closed here.
        let _ = sender.send(open().map(Box::new));
    })?;
    Ok(answer)
}

/// Opens it for the first time, and waits `patience` for that. `wanted` names it where it does not answer.
fn open_within(open: &Arc<Open>, wanted: &DeviceChoice, patience: Duration) -> Result<Box<Opened>, AudioError> {
    let name = wanted.to_string();
    let failed = |reason: String| AudioError::Failed {
        name: name.clone(),
        reason,
    };
    let answer = aside(open, None).map_err(|error| failed(error.to_string()))?;
    match answer.recv_timeout(patience) {
        Ok(opened) => opened,
        Err(RecvTimeoutError::Disconnected) => Err(failed("its driver panicked".to_owned())),
        Err(RecvTimeoutError::Timeout) => Err(AudioError::NoAnswer { name, waited: patience }),
    }
}

/// A microphone that delivers silence while it is away.
pub(crate) struct Microphone {
    open: Arc<Open>,
    clock: MediaClock,
    state: StateCell,
    name: String,
    link: Link,
    /// When the next packet begins.
    next: MediaTime,
    last_sound: Instant,
    /// Overruns of streams that have been closed.
    past_overruns: u64,
}

impl Microphone {
    /// Opens the chosen microphone.
    pub(crate) fn open(choice: &DeviceChoice, clock: MediaClock, state: &StateCell) -> Result<Self, AudioError> {
        let open = opener(choice.clone(), clock);
        let opened = open_within(&open, choice, ANSWER_TIMEOUT)?;
        Ok(Self::with(open, opened, clock, state))
    }

    fn with(open: Arc<Open>, opened: Box<Opened>, clock: MediaClock, state: &StateCell) -> Self {
        Self {
            open,
            clock,
            state: state.clone(),
            name: opened.name.clone(),
            link: Link::Open(opened),
            next: clock.now(),
            last_sound: Instant::now(),
            past_overruns: 0,
        }
    }

    /// Takes a packet from the device if one is there; sees to the device if not.
    fn poll(&mut self, packet: &mut [f32; PACKET_VALUES]) -> Option<MediaTime> {
        match &mut self.link {
            Link::Open(opened) => {
                if let Some(measured) = opened.drain.take(packet) {
                    self.last_sound = Instant::now();
                    self.state.set_live(&self.name);
                    return Some(self.stamp(measured));
                }
                if opened.drain.shared().failed.load(Ordering::Acquire) {
                    self.lose("the microphone was disconnected");
                } else if self.last_sound.elapsed() >= STALL {
                    self.lose("no sound for two seconds");
                }
            }
            Link::Opening(answer) => match answer.try_recv() {
                Ok(Ok(opened)) => {
                    opened.name.clone_into(&mut self.name);
                    self.link = Link::Open(opened);
                    self.last_sound = Instant::now();
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "cannot reopen the microphone yet");
                    self.link = Link::Away(Instant::now());
                }
                // Its driver panicked.
                Err(TryRecvError::Disconnected) => self.link = Link::Away(Instant::now()),
                Err(TryRecvError::Empty) => {}
            },
            Link::Away(since) if since.elapsed() >= REOPEN_INTERVAL => self.link = reopen(&self.open, None),
            Link::Away(_) => {}
        }
        None
    }

    fn lose(&mut self, why: &str) {
        self.past_overruns = self.overruns();
        self.state.set_lost(&self.name, why);
        if let Link::Open(lost) = std::mem::replace(&mut self.link, Link::Away(Instant::now())) {
            self.link = reopen(&self.open, Some(lost));
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
            if let Some(stamp) = self.poll(packet) {
                return stamp;
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
        match &self.link {
            Link::Open(opened) => self.past_overruns + opened.drain.shared().overruns.load(Ordering::Acquire),
            _ => self.past_overruns,
        }
    }
}

#[cfg(test)]
mod tests;
