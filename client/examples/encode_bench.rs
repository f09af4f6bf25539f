//! What a picture costs, as one JSON object: `cargo xtask bench encode` runs this.
//!
//! The pictures are the test pattern with noise in it, because a camera's are never as clean as the pattern and an
//! encoder skips what does not change.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use footlight_client::clock::{MediaClock, MediaTime};
use footlight_client::units::{Bitrate, Resolution};
use footlight_client::video::encoder::{Encoder, EncoderTarget};
use footlight_client::video::frame::Frame;
use footlight_client::video::pattern;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::Payloader as _;
use serde::Serialize;
use yuv::{BufferStoreMut, YuvPackedImage, YuvPlanarImageMut, yuyv422_to_yuv420};

const FPS: u32 = 30;
/// Ten seconds of them.
const FRAMES: u32 = 300;
/// Leaves room for headers, extensions and SRTP's tag in a datagram of 1,200 bytes.
const PACKET_PAYLOAD: usize = 1_150;

#[derive(Debug, Serialize)]
struct Report {
    sizes: Vec<Figures>,
}

#[derive(Debug, Serialize)]
struct Figures {
    name: &'static str,
    frames: u32,
    /// In ms.
    encode: Quantiles,
    /// In ms: from the camera's YUYV by I420 and H.264 to RTP payloads.
    capture_to_packets: Quantiles,
}

#[derive(Debug, Serialize)]
struct Quantiles {
    p50: f64,
    p99: f64,
}

fn main() -> anyhow::Result<()> {
    let sizes = vec![
        measure("720p", Resolution::HD, Bitrate::from_kbps(2_500))?,
        measure("1080p", Resolution::new(1920, 1080), Bitrate::from_kbps(5_000))?,
    ];
    println!("{}", serde_json::to_string(&Report { sizes })?);
    Ok(())
}

fn measure(name: &'static str, size: Resolution, bitrate: Bitrate) -> anyhow::Result<Figures> {
    let clock = MediaClock::start();
    let mut encoder = Encoder::new(EncoderTarget {
        bitrate,
        fps: FPS as f32,
    });
    let mut payloader = H264Payloader::default();
    let mut picture = Frame::black(size);
    let mut source = Frame::black(size);
    let mut yuyv = vec![0; 2 * size.pixels() as usize];
    let (mut encode, mut whole) = (Vec::new(), Vec::new());
    for number in 1..=FRAMES {
        let capture = MediaTime::from_duration(Duration::from_secs(1) * number / FPS);
        pattern::draw(&mut picture, &clock, capture, number);
        add_noise(&mut picture.y, number);
        pack(&picture, &mut yuyv);

        let began = Instant::now();
        unpack(&yuyv, size, &mut source)?;
        source.capture = capture;
        let converted = Instant::now();
        let unit = encoder.encode(&source)?;
        let compressed = Instant::now();
        if let Some(unit) = unit {
            payloader.payload(PACKET_PAYLOAD, &unit.data)?;
        }
        whole.push(began.elapsed());
        encode.push(compressed.saturating_duration_since(converted));
    }
    Ok(Figures {
        name,
        frames: FRAMES,
        encode: quantiles(encode),
        capture_to_packets: quantiles(whole),
    })
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

/// As a camera delivers it: 4:2:2, packed.
fn pack(frame: &Frame, yuyv: &mut [u8]) {
    let width = frame.width();
    for (row, line) in yuyv.chunks_exact_mut(2 * width).enumerate() {
        for (pair, pixels) in line.chunks_exact_mut(4).enumerate() {
            let luma = row * width + 2 * pair;
            let chroma = row / 2 * (width / 2) + pair;
            pixels.copy_from_slice(&[frame.y[luma], frame.u[chroma], frame.y[luma + 1], frame.v[chroma]]);
        }
    }
}

fn unpack(yuyv: &[u8], size: Resolution, frame: &mut Frame) -> anyhow::Result<()> {
    let Resolution { width, height } = size;
    let packed = YuvPackedImage {
        yuy: yuyv,
        yuy_stride: 2 * width,
        width,
        height,
    };
    let mut planar = YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(&mut frame.y),
        y_stride: width,
        u_plane: BufferStoreMut::Borrowed(&mut frame.u),
        u_stride: width / 2,
        v_plane: BufferStoreMut::Borrowed(&mut frame.v),
        v_stride: width / 2,
        width,
        height,
    };
    yuyv422_to_yuv420(&mut planar, &packed).context("convert YUYV to I420")
}

/// In milliseconds.
fn quantiles(mut times: Vec<Duration>) -> Quantiles {
    times.sort_unstable();
    let at = |share: f64| {
        let index = (share * times.len() as f64) as usize;
        times
            .get(index.min(times.len() - 1))
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    Quantiles {
        p50: at(0.5),
        p99: at(0.99),
    }
}
