//! WebRTC's audio processing module on one microphone.
//!
//! Each step is an instance of its own, so that turning one on or off leaves alone what the others have learnt. They work
//! in mono, as a voice is: a stereo microphone's channels are mixed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use sonora::config::{
    AdaptiveDigital, EchoCanceller, GainController2, MaxProcessingRate, NoiseSuppression, NoiseSuppressionLevel,
    Pipeline,
};
use sonora::{AudioProcessing, Config, StreamConfig};

use super::VoiceProcessing;
use crate::audio::playback::{BLOCK, BLOCK_SAMPLES, BLOCK_VALUES};
use crate::audio::{CHANNELS, PACKET, PACKET_SAMPLES, PACKET_VALUES, SAMPLE_RATE};

/// What AEC3 takes: its blocks of 4 ms, and the filters that split the band in three and join it again.
const ECHO_DELAY: Duration = Duration::from_millis(9);

/// What noise suppression takes: the overlap of its blocks, and the same filters.
const NOISE_DELAY: Duration = Duration::from_millis(7);

/// Packets without anything played after which there is no far end any more: two seconds, so that a subscription that is
/// made anew finds the echo path as it was.
const FAR_END_GONE: u32 = 100;

/// Samples this loud were played by somebody; below, it is the rounding of silence.
const AUDIBLE: f32 = 1e-4;

/// Panics of a step after which it stays off. It is a port of a large program, and somebody's voice is on air.
const MOST_PANICS: u8 = 3;

const _: () = assert!(PACKET_SAMPLES.is_multiple_of(BLOCK_SAMPLES));

/// Processes what one microphone hears. For the thread that encodes it: nothing here is for an audio callback.
#[derive(Debug)]
pub struct VoiceProcessor {
    wanted: VoiceProcessing,
    echo: Step,
    noise: Step,
    gain: Step,
    /// When the block that was played last is heard.
    heard: Option<Instant>,
    /// Packets since then.
    since_played: u32,
    /// Whether there is a far end, and it has said something.
    far_end: bool,
}

impl Default for VoiceProcessor {
    fn default() -> Self {
        Self {
            wanted: VoiceProcessing::OFF,
            echo: Step::new("echo cancellation", cancel_echo, ECHO_DELAY),
            noise: Step::new("noise suppression", suppress_noise, NOISE_DELAY),
            gain: Step::new("gain control", control_gain, Duration::ZERO),
            heard: None,
            since_played: 0,
            far_end: false,
        }
    }
}

impl VoiceProcessor {
    /// Does what is wanted from the next packet on.
    pub fn set(&mut self, wanted: VoiceProcessing) {
        if wanted != self.wanted {
            self.wanted = wanted;
            self.noise.turn(wanted.noise_suppression);
            self.gain.turn(wanted.gain_control);
            self.echo.turn(wanted.echo_cancellation && self.far_end);
        }
    }

    /// Whether there is an echo to be cancelled, and that is wanted.
    pub fn cancels_echo(&self) -> bool {
        self.echo.module.is_some()
    }

    /// Takes the next 10 ms of what is played here, interleaved stereo at 48 kHz, the first sample of which is heard at
    /// `heard`. To be called before [`VoiceProcessor::process`] with what the microphone hears of it.
    pub fn play(&mut self, heard: Instant, samples: &[f32; BLOCK_VALUES]) {
        self.heard = Some(heard);
        self.since_played = 0;
        if !self.far_end {
            // Somebody who is alone in the room hears silence all the time, which cannot echo.
            self.far_end = samples.iter().any(|value| value.abs() > AUDIBLE);
            self.echo.turn(self.wanted.echo_cancellation && self.far_end);
        }
        if self.echo.module.is_none() {
            return;
        }
        let mut channels = [[0.0; BLOCK_SAMPLES]; CHANNELS];
        for (n, frame) in samples.chunks_exact(CHANNELS).enumerate() {
            for (channel, value) in channels.iter_mut().zip(frame) {
                channel[n] = sound(*value);
            }
        }
        self.echo.run(|module| {
            let [left, right] = &channels;
            // What is played stays as it is.
            let mut played = channels;
            let [played_left, played_right] = &mut played;
            module.process_render_f32(&[left, right], &mut [played_left, played_right])
        });
    }

    /// Processes a packet, the first sample of which was captured at `captured`.
    pub fn process(&mut self, packet: &mut [f32; PACKET_VALUES], captured: Instant) {
        self.since_played = self.since_played.saturating_add(1);
        if self.far_end && self.since_played > FAR_END_GONE {
            self.far_end = false;
            self.heard = None;
            self.echo.turn(false);
        }
        if [&self.echo, &self.noise, &self.gain]
            .iter()
            .all(|step| step.module.is_none())
        {
            return;
        }
        let ahead = self.ahead(captured);
        for block in packet.chunks_exact_mut(BLOCK_VALUES) {
            let mut mono = [0.0; BLOCK_SAMPLES];
            for (value, frame) in mono.iter_mut().zip(block.chunks_exact(CHANNELS)) {
                *value = sound(frame.iter().sum::<f32>() / CHANNELS as f32);
            }
            self.echo.run(|module| module.set_stream_delay_ms(ahead));
            for step in [&mut self.echo, &mut self.noise, &mut self.gain] {
                step.capture(&mut mono);
            }
            for (frame, value) in block.chunks_exact_mut(CHANNELS).zip(mono) {
                frame.fill(sound(value));
            }
        }
    }

    /// By how much later the sound comes out than it went in.
    pub fn delay(&self) -> Duration {
        let steps = [&self.echo, &self.noise, &self.gain];
        let on = steps.into_iter().filter(|step| step.module.is_some());
        on.map(|step| step.delay).sum()
    }

    /// By how many milliseconds what is played last is ahead of what was captured at `captured`: where an echo is to be
    /// looked for first. AEC3 finds it by itself, a little later.
    fn ahead(&self, captured: Instant) -> i32 {
        // The packet ends with what was captured together with the last block.
        let newest = captured + PACKET.saturating_sub(BLOCK);
        let ahead = self.heard.map(|heard| heard.saturating_duration_since(newest));
        ahead.map_or(0, |ahead| ahead.min(MOST_AHEAD).as_millis() as i32)
    }
}

/// AEC3 looks no further.
const MOST_AHEAD: Duration = Duration::from_millis(500);

/// A sample as it may be: one that is no number would stay in an adaptive filter for ever.
fn sound(value: f32) -> f32 {
    if value.is_finite() { value.clamp(-1.0, 1.0) } else { 0.0 }
}

/// One thing that is done to the sound.
#[derive(Debug)]
struct Step {
    name: &'static str,
    config: fn() -> Config,
    /// By how much later the sound comes out.
    delay: Duration,
    /// None while it is off.
    module: Option<AudioProcessing>,
    panics: u8,
}

impl Step {
    fn new(name: &'static str, config: fn() -> Config, delay: Duration) -> Self {
        Self {
            name,
            config,
            delay,
            module: None,
            panics: 0,
        }
    }

    fn turn(&mut self, on: bool) {
        if !on {
            self.module = None;
        } else if self.module.is_none() && self.panics < MOST_PANICS {
            self.module = Some(
                AudioProcessing::builder()
                    .config((self.config)())
                    .capture_config(StreamConfig::new(SAMPLE_RATE, 1))
                    .render_config(StreamConfig::new(SAMPLE_RATE, CHANNELS as u16))
                    .build(),
            );
        }
    }

    fn capture(&mut self, mono: &mut [f32; BLOCK_SAMPLES]) {
        let captured = *mono;
        if self.run(|module| module.process_capture_f32(&[&captured], &mut [mono])) == Some(false) {
            *mono = captured;
        }
    }

    /// Whether `work` was done; none where the step is off.
    fn run<E: std::fmt::Display>(&mut self, work: impl FnOnce(&mut AudioProcessing) -> Result<(), E>) -> Option<bool> {
        let module = self.module.as_mut()?;
        // What is left after a panic is thrown away.
        match catch_unwind(AssertUnwindSafe(|| work(module))) {
            Ok(Ok(())) => Some(true),
            Ok(Err(error)) => {
                tracing::debug!(step = self.name, %error, "a block of sound is left as it is");
                Some(false)
            }
            Err(_) => {
                self.panics += 1;
                tracing::error!(
                    step = self.name,
                    times = self.panics,
                    "a step of the voice processing panicked"
                );
                self.turn(false);
                self.turn(true);
                Some(false)
            }
        }
    }
}

/// The whole band: without it, what is above 16 kHz is lost.
fn pipeline() -> Pipeline {
    Pipeline {
        maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
        ..Pipeline::default()
    }
}

fn cancel_echo() -> Config {
    Config {
        pipeline: pipeline(),
        echo_canceller: Some(EchoCanceller::default()),
        ..Config::default()
    }
}

fn suppress_noise() -> Config {
    Config {
        pipeline: pipeline(),
        noise_suppression: Some(NoiseSuppression {
            level: NoiseSuppressionLevel::High,
            ..NoiseSuppression::default()
        }),
        ..Config::default()
    }
}

fn control_gain() -> Config {
    Config {
        pipeline: pipeline(),
        gain_controller2: Some(GainController2 {
            adaptive_digital: Some(AdaptiveDigital::default()),
            ..GainController2::default()
        }),
        ..Config::default()
    }
}

#[cfg(test)]
mod tests;
