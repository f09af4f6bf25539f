//! Sound: where it comes from, how it becomes 48 kHz stereo, and how that becomes Opus.

use std::{thread, time::Duration};

pub mod encoder;
pub mod level;
pub mod tone;

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
        AudioSource::Microphone(_) => Err(AudioError::NoDevice),
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
