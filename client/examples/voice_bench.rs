//! What the processing of a voice costs, as one JSON object: `cargo xtask bench voice` runs this.
//!
//! Ten seconds of a microphone with a voice-like signal in it, while another one is played, go through the processor on one
//! thread, faster than they would be spoken. The least of some runs is told: noise only adds.

use std::f32::consts::TAU;
use std::time::{Duration, Instant};

use footlight_client::audio::playback::{BLOCK, BLOCK_SAMPLES, BLOCK_VALUES};
use footlight_client::audio::voice::{VoiceProcessing, VoiceProcessor};
use footlight_client::audio::{CHANNELS, PACKET, PACKET_SAMPLES, PACKET_VALUES, SAMPLE_RATE};
use serde::Serialize;

const PACKETS: u32 = 500;
const RUNS: u32 = 5;

/// Milliseconds of one core for a second of sound.
#[derive(Debug, Serialize)]
struct Report {
    off: f64,
    echo_without_far_end: f64,
    echo: f64,
    noise: f64,
    gain: f64,
    all: f64,
}

fn main() -> anyhow::Result<()> {
    let one = |echo_cancellation, noise_suppression, gain_control| VoiceProcessing {
        echo_cancellation,
        noise_suppression,
        gain_control,
    };
    let report = Report {
        off: least(VoiceProcessing::OFF, true),
        echo_without_far_end: least(one(true, false, false), false),
        echo: least(one(true, false, false), true),
        noise: least(one(false, true, false), false),
        gain: least(one(false, false, true), false),
        all: least(VoiceProcessing::ALL, true),
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn least(wanted: VoiceProcessing, far_end: bool) -> f64 {
    let runs = (0..RUNS).map(|_| run(wanted, far_end));
    let spent = runs.min().unwrap_or_default();
    spent.as_secs_f64() * 1e3 / (PACKET * PACKETS).as_secs_f64()
}

fn run(wanted: VoiceProcessing, far_end: bool) -> Duration {
    let mut processor = VoiceProcessor::default();
    processor.set(wanted);
    let now = Instant::now();
    let mut spent = Duration::ZERO;
    for number in 0..PACKETS {
        let place = number as usize * PACKET_SAMPLES;
        let captured = now + PACKET * number;
        let mut packet = [0.0; PACKET_VALUES];
        fill(&mut packet, place, 210.0);
        let mut blocks = [[0.0; BLOCK_VALUES]; PACKET_SAMPLES / BLOCK_SAMPLES];
        for (part, block) in blocks.iter_mut().enumerate() {
            fill(block, place + part * BLOCK_SAMPLES, 120.0);
        }
        let began = Instant::now();
        if far_end {
            for block in &blocks {
                processor.play(captured + BLOCK, block);
            }
        }
        processor.process(&mut packet, captured);
        spent += began.elapsed();
    }
    spent
}

/// Four syllables a second of a pitch with its harmonics.
fn fill(values: &mut [f32], begin: usize, pitch: f32) {
    for (n, frame) in values.chunks_exact_mut(CHANNELS).enumerate() {
        let time = (begin + n) as f32 / SAMPLE_RATE as f32;
        let sine = |hertz: f32| (TAU * hertz * time).sin();
        let voice: f32 = (1..8)
            .map(|harmonic| sine(pitch * harmonic as f32) / harmonic as f32)
            .sum();
        frame.fill(voice * 0.1 * (0.5 + 0.5 * sine(4.0)));
    }
}
