//! Sound: where it comes from, how it becomes 48 kHz stereo, and how that becomes Opus; and the way back, to a loudspeaker.

use std::{thread, time::Duration};

pub mod decoder;
pub mod encoder;
mod host;
pub mod level;
pub mod microphone;
pub mod playback;
pub mod tone;
pub mod voice;

use crate::{
    clock::{MediaClock, MediaTime},
    source::{AudioSource, StateCell},
};

/// Samples per second and channel of everything that is encoded.
pub const SAMPLE_RATE: u32 = 48_000;
/// Channels of everything that is encoded, interleaved.
pub const CHANNELS: usize = 2;
/// Length of a packet.
pub const PACKET: Duration = Duration::from_millis(20);
/// Samples of one channel in a packet.
pub const PACKET_SAMPLES: usize = 960;
/// Values in a packet of interleaved samples.
pub const PACKET_VALUES: usize = PACKET_SAMPLES * CHANNELS;

const _: () = assert!(PACKET_SAMPLES as u128 * 1000 == SAMPLE_RATE as u128 * PACKET.as_millis());

/// Why a source of sound could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// No microphone is there.
    #[error("no microphone was found: connect one, or publish with --no-audio")]
    NoDevice,
    /// None is called what was asked for.
    #[error("no microphone matches '{wanted}'; there is: {available}")]
    NotFound {
        /// What was asked for.
        wanted: String,
        /// The names that would have worked.
        available: String,
    },
    /// Somebody else has it.
    #[error("microphone '{name}' is used by another program: close that program, or choose another microphone")]
    Busy {
        /// The microphone's name.
        name: String,
    },
    /// The system does not let this user have it.
    #[error("access to microphone '{name}' is denied: allow this program to use it in the system's settings")]
    Denied {
        /// The microphone's name.
        name: String,
    },
    /// The system did not answer in time.
    #[error("microphone '{name}' did not answer within {} s: unplug it and plug it in again, or choose another microphone", waited.as_secs())]
    NoAnswer {
        /// What was asked for.
        name: String,
        /// How long that was.
        waited: Duration,
    },
    /// It delivers samples that cannot be used.
    #[error("microphone '{name}' delivers {format}, which cannot be used: choose another microphone")]
    Unusable {
        /// The microphone's name.
        name: String,
        /// What it delivers.
        format: String,
    },
    /// The system could not open it.
    #[error("microphone '{name}' failed: {reason}")]
    Failed {
        /// The microphone's name.
        name: String,
        /// What the system said.
        reason: String,
    },
}

impl AudioError {
    fn from_cpal(name: &str, error: &cpal::Error) -> Self {
        let name = name.to_owned();
        match error.kind() {
            cpal::ErrorKind::DeviceBusy => Self::Busy { name },
            cpal::ErrorKind::PermissionDenied => Self::Denied { name },
            _ => Self::Failed {
                name,
                reason: error.to_string(),
            },
        }
    }
}

/// A source of sound that never ends: while its device is away it delivers silence.
pub trait AudioCapture: Send {
    /// What people call it.
    fn name(&self) -> &str;

    /// Waits for the next packet, no longer than some packets' time, fills it with interleaved stereo samples at 48 kHz and returns when
    /// its first one was captured.
    fn read(&mut self, packet: &mut [f32; PACKET_VALUES]) -> MediaTime;

    /// Times that samples were lost because [`AudioCapture::read`] was called too late.
    fn overruns(&self) -> u64;
}

/// Opens `source`, which reports how it is doing in `state`.
pub(crate) fn start(
    source: &AudioSource,
    clock: MediaClock,
    state: &StateCell,
) -> Result<Box<dyn AudioCapture>, AudioError> {
    match source {
        AudioSource::Tone => Ok(Box::new(ToneCapture {
            tone: tone::Tone::new(clock),
            clock,
            state: state.clone(),
        })),
        AudioSource::Microphone(choice) => Ok(Box::new(microphone::Microphone::open(choice, clock, state)?)),
    }
}

/// The tone at the pace of the clock.
struct ToneCapture {
    tone: tone::Tone,
    clock: MediaClock,
    state: StateCell,
}

impl AudioCapture for ToneCapture {
    fn name(&self) -> &'static str {
        "test tone"
    }

    fn read(&mut self, packet: &mut [f32; PACKET_VALUES]) -> MediaTime {
        thread::sleep(self.tone.next_complete().saturating_since(self.clock.now()));
        self.state.set_live(self.name());
        self.tone.fill(packet)
    }

    fn overruns(&self) -> u64 {
        0
    }
}
