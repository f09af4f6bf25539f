//! The sound outputs of this machine: which there are, and how one is opened.
//!
//! On a Linux desktop it is the sound server that knows them (`PulseAudio`, or `PipeWire` in its name), by the names that the system's
//! settings show; ALSA knows cards, and a dozen ways to each. So the server says what can be chosen, where there is one. The system's own
//! is ALSA's default all the same: it leads to the server, and goes with what the person sets there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, Device, FromSample, SampleFormat, SizedSample, Stream, StreamConfig, SupportedBufferSize};

use super::PlaybackError;
use super::ring::{self, Drain, Fill};
use crate::audio::host::{Known, each_once, host, is_fatal, name_of};
use crate::devices::{DeviceChoice, LoudspeakerInfo};

#[cfg(target_os = "linux")]
mod sound_server;

/// What a device is asked to take at once: more would be heard later, less would wake the machine more often.
const DEVICE_BUFFER: Duration = Duration::from_millis(10);
/// How long the system may take to open a device.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// A device that claims to be further behind is not believed.
const MOST_AHEAD: Duration = Duration::from_secs(1);

/// Lists what can be chosen. A system service that hangs makes this hang.
pub(crate) fn list() -> Vec<LoudspeakerInfo> {
    let info = |Known { id, name, default, .. }| LoudspeakerInfo { id, name, default };
    find().into_iter().map(info).collect()
}

fn find() -> Vec<Known> {
    #[cfg(target_os = "linux")]
    if let Some((default, sinks)) = sound_server::sinks() {
        return each_once(default.as_ref(), sinks);
    }
    let host = host();
    let default = host.default_output_device();
    let listed = host
        .output_devices()
        .map(Iterator::collect::<Vec<_>>)
        .unwrap_or_default();
    #[cfg(target_os = "linux")]
    let listed: Vec<_> = listed
        .into_iter()
        .filter(|device| device.id().is_ok_and(|id| is_shared_way(id.id())))
        .collect();
    each_once(default.as_ref(), listed)
}

/// Whether an ALSA device is the one of many ways to a card that converts what it is given, and leaves the card to others as well.
#[cfg(target_os = "linux")]
fn is_shared_way(pcm: &str) -> bool {
    ["sysdefault:", "hdmi:", "iec958:"]
        .iter()
        .any(|way| pcm.starts_with(way))
}

/// A device that is open.
pub(super) struct Opened {
    pub(super) name: String,
    /// Stops when dropped.
    pub(super) _stream: Box<dyn Send>,
    pub(super) fill: Fill,
}

/// Opens the chosen device.
pub(super) fn open(choice: &DeviceChoice) -> Result<Opened, PlaybackError> {
    if *choice == DeviceChoice::Default
        && let Some(device) = host().default_output_device()
    {
        return open_device(&device, &name_of(&device));
    }
    let found = find();
    let list: Vec<(&str, &str)> = found
        .iter()
        .map(|known| (known.id.as_str(), known.name.as_str()))
        .collect();
    let known = &found[position(choice, &list)?];
    open_device(&known.device, &known.name)
}

/// Place of the chosen device in a list of (id, name).
pub(super) fn position(choice: &DeviceChoice, list: &[(&str, &str)]) -> Result<usize, PlaybackError> {
    match choice.position(list) {
        Some(place) => Ok(place),
        None if list.is_empty() && *choice == DeviceChoice::Default => Err(PlaybackError::NoDevice),
        None => {
            let available = list.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
            Err(PlaybackError::NotFound {
                wanted: choice.to_string(),
                available: if list.is_empty() { "none".to_owned() } else { available },
            })
        }
    }
}

/// What a device is opened with.
struct Manner {
    config: StreamConfig,
    format: SampleFormat,
    /// The buffer to begin with. Not every device keeps what it promises about its buffers.
    small: Option<BufferSize>,
}

impl Manner {
    fn of(device: &Device) -> Result<Self, cpal::Error> {
        #[cfg(target_os = "linux")]
        if let Some(manner) = sound_server::manner(device) {
            return Ok(manner);
        }
        let supported = device.default_output_config()?;
        let small = match supported.buffer_size() {
            SupportedBufferSize::Range { min, max } => {
                (*min <= *max).then(|| BufferSize::Fixed(frames(supported.sample_rate()).clamp(*min, *max)))
            }
            SupportedBufferSize::Unknown => None,
        };
        Ok(Self {
            config: supported.config(),
            format: supported.sample_format(),
            small,
        })
    }
}

/// Those of [`DEVICE_BUFFER`].
fn frames(rate: u32) -> u32 {
    rate * DEVICE_BUFFER.as_millis() as u32 / 1000
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
    let Manner { config, format, small } = Manner::of(device).map_err(failed)?;
    let rate = config.sample_rate;
    let mut failure = None;
    for buffer_size in small.into_iter().chain([BufferSize::Default]) {
        let config = StreamConfig { buffer_size, ..config };
        let (fill, drain) =
            ring::ring(rate, config.channels).map_err(|error| unusable(format!("{rate} Hz: {error}")))?;
        let built = match format {
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
        let fatal = is_fatal(&error);
        if fatal {
            shared.failed.store(true, Ordering::Release);
        }
        tracing::debug!(%error, fatal, "sound output");
    };
    device.build_output_stream(config, on_data, on_error, Some(OPEN_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_that_is_not_there_is_named_with_what_is() {
        let list = [("pulseaudio:desk", "Desk"), ("pulseaudio:headset", "Headset")];
        let at = |wanted: &str| position(&DeviceChoice::Matching(wanted.to_owned()), &list);
        assert_eq!(at("pulseaudio:headset").expect("it is there"), 1);
        let words = at("pulseaudio:attic").expect_err("it is not there").to_string();
        assert_eq!(
            words,
            "no sound output matches 'pulseaudio:attic'; there is: Desk, Headset"
        );
        let none = position(&DeviceChoice::Matching("attic".to_owned()), &[]).expect_err("there is none");
        assert_eq!(none.to_string(), "no sound output matches 'attic'; there is: none");
        let none = position(&DeviceChoice::Default, &[]).expect_err("there is none");
        assert!(matches!(none, PlaybackError::NoDevice));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn of_the_ways_to_a_card_the_ones_that_others_can_go_as_well_are_offered() {
        let ways = [
            "default",
            "null",
            "pulse",
            "sysdefault:CARD=PCH",
            "front:CARD=PCH,DEV=0",
            "dmix:CARD=PCH,DEV=0",
            "hw:CARD=PCH,DEV=0",
            "plughw:CARD=0,DEV=0",
            "hdmi:CARD=PCH,DEV=1",
        ];
        let offered: Vec<_> = ways.into_iter().filter(|way| is_shared_way(way)).collect();
        assert_eq!(offered, ["sysdefault:CARD=PCH", "hdmi:CARD=PCH,DEV=1"]);
    }
}
