//! What it costs to decode a picture, as one JSON object: `cargo run --release -p footlight-client --example decode_bench`.
//!
//! The counterpart of `encode_bench`: H.264 as it publishes it (the test pattern with noise, which an encoder cannot skip), and
//! from it pictures in memory, drawn into buffers that go round as a subscription's do. One thread, pictures one after
//! another without a pause.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use footlight_client::clock::{MediaClock, MediaTime};
use footlight_client::units::{Bitrate, Resolution};
use footlight_client::video::decoder::Decoder;
use footlight_client::video::encoder::{Encoder, EncoderTarget};
use footlight_client::video::frame::Frame;
use footlight_client::video::pattern;
use serde::Serialize;

const FPS: u32 = 30;
/// Ten seconds of them.
const FRAMES: u32 = 300;

#[derive(Debug, Serialize)]
struct Report {
    sizes: Vec<Figures>,
}

/// Times in ms.
#[derive(Debug, Serialize)]
struct Figures {
    name: &'static str,
    frames: usize,
    /// Bits per second of what was decoded.
    bitrate: u64,
    p50: f64,
    p99: f64,
    /// Share of one core at 30 pictures a second, in per cent.
    core_percent: f64,
}

fn main() -> anyhow::Result<()> {
    let sizes = vec![
        measure("360p", Resolution::new(640, 360), Bitrate::from_kbps(800))?,
        measure("720p", Resolution::HD, Bitrate::from_kbps(2_500))?,
        measure("1080p", Resolution::new(1920, 1080), Bitrate::from_kbps(5_000))?,
    ];
    println!("{}", serde_json::to_string(&Report { sizes })?);
    Ok(())
}

fn measure(name: &'static str, size: Resolution, bitrate: Bitrate) -> anyhow::Result<Figures> {
    let units = encoded(size, bitrate)?;
    let bytes: usize = units.iter().map(bytes::Bytes::len).sum();
    let mut decoder = Decoder::new()?;
    let mut spare = Some(Frame::black(size));
    let mut times = Vec::new();
    for unit in &units {
        let began = Instant::now();
        let frame = decoder.decode(unit, |_| spare.take())?;
        times.push(began.elapsed());
        spare = Some(frame.context("an access unit without a picture")?);
    }
    ensure!(!times.is_empty(), "nothing was encoded");
    let mean = times.iter().sum::<Duration>() / times.len() as u32;
    times.sort_unstable();
    let at = |share: f64| times[((share * times.len() as f64) as usize).min(times.len() - 1)].as_secs_f64() * 1e3;
    Ok(Figures {
        name,
        frames: times.len(),
        bitrate: bytes as u64 * 8 * u64::from(FPS) / times.len() as u64,
        p50: at(0.5),
        p99: at(0.99),
        core_percent: mean.as_secs_f64() * f64::from(FPS) * 100.0,
    })
}

fn encoded(size: Resolution, bitrate: Bitrate) -> anyhow::Result<Vec<bytes::Bytes>> {
    let clock = MediaClock::start();
    let mut encoder = Encoder::new(EncoderTarget {
        bitrate,
        fps: FPS as f32,
    });
    let mut frame = Frame::black(size);
    let mut units = Vec::new();
    for number in 1..=FRAMES {
        let time = MediaTime::from_duration(Duration::from_secs(1) * number / FPS);
        pattern::draw(&mut frame, &clock, time, number);
        add_noise(&mut frame.y, number);
        units.extend(encoder.encode(&frame)?.map(|unit| unit.data));
    }
    Ok(units)
}

/// Moves each sample up or down by up to three steps, differently in each picture (xorshift).
fn add_noise(luma: &mut [u8], seed: u32) {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    for sample in luma {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        *sample = sample.saturating_add((state % 7) as u8).saturating_sub(3);
    }
}
