//! What a microphone at a desk hears, made fit for others: without what the loudspeaker says, without the room's hum, at
//! an even loudness. It is what browsers do to a microphone by default.

#[cfg(feature = "voice-processing")]
mod processor;

#[cfg(feature = "voice-processing")]
pub use processor::VoiceProcessor;
use serde::{Deserialize, Serialize};

/// What is done to a microphone's sound. Without the feature `voice-processing` it is left as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoiceProcessing {
    /// Takes out what is played here, where anything is.
    pub echo_cancellation: bool,
    /// Takes out what goes on evenly: fans, hum, hiss.
    pub noise_suppression: bool,
    /// Brings quiet and loud voices to the same level.
    pub gain_control: bool,
}

impl VoiceProcessing {
    /// The sound as it comes.
    pub const OFF: Self = Self {
        echo_cancellation: false,
        noise_suppression: false,
        gain_control: false,
    };

    /// All that there is: for somebody who talks, and hears others by a loudspeaker.
    pub const ALL: Self = Self {
        echo_cancellation: true,
        noise_suppression: true,
        gain_control: true,
    };

    /// For an atomic.
    pub(crate) fn to_bits(self) -> u8 {
        u8::from(self.echo_cancellation) | u8::from(self.noise_suppression) << 1 | u8::from(self.gain_control) << 2
    }

    /// The reverse of [`VoiceProcessing::to_bits`].
    pub(crate) fn from_bits(bits: u8) -> Self {
        Self {
            echo_cancellation: bits & 1 != 0,
            noise_suppression: bits & 2 != 0,
            gain_control: bits & 4 != 0,
        }
    }
}
