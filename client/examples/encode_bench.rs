//! What a picture costs, as one JSON object: `cargo xtask bench encode` runs this.
//!
//! The pictures come as a camera's do, in YUYV and at 30 per second, and go through the [`Pipeline`] that `footlight publish`
//! runs, to RTP payloads. What is counted begins when the camera has handed over its picture and ends when the last
//! payload is cut, with everything between: conversion, the mailbox, the encoder, the queue behind it, and the threads'
//! waking up. Two of the steps are also timed one by one, on pictures that follow each other without a pause.
//!
//! The pictures are the test pattern with noise in it, because a camera's are never as clean as the pattern and an
//! encoder skips what does not change. They are made before the clock starts: a camera's pictures arrive in memory without
//! costing the processor anything, and drawing one beside the encoder would be measured as part of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use footlight_client::clock::{MediaClock, MediaTime};
use footlight_client::devices::PixelFormat;
use footlight_client::pipeline::{CustomVideo, Pipeline, PipelineConfig, VideoSource};
use footlight_client::units::{Bitrate, Resolution};
use footlight_client::video::capture::{CaptureError, CaptureRequest, VideoCapture};
use footlight_client::video::convert::Converter;
use footlight_client::video::encoder::{Encoder, EncoderTarget};
use footlight_client::video::frame::Frame;
use footlight_client::video::mailbox::Sender;
use footlight_client::video::pattern;
use rtc::rtp::codec::h264::H264Payloader;
use rtc::rtp::packetizer::Payloader as _;
use serde::Serialize;

const FPS: u32 = 30;
const INTERVAL: Duration = Duration::from_nanos(1_000_000_000 / FPS as u64);
/// Ten seconds of them.
const FRAMES: u32 = 300;
/// Of the encoder's first pictures, which one keyframe makes slower than those that follow.
const WARM_UP: u32 = 30;
/// Leaves room for headers, extensions and SRTP's tag in a datagram of 1,200 bytes.
const PACKET_PAYLOAD: usize = 1_150;

#[derive(Debug, Serialize)]
struct Report {
    sizes: Vec<Figures>,
}

/// Times in ms.
#[derive(Debug, Serialize)]
struct Figures {
    name: &'static str,
    /// Pictures that became packets.
    frames: u32,
    /// Pictures that did not: superseded, or left out by rate control.
    dropped: u32,
    /// From the camera's YUYV to I420.
    convert: Quantiles,
    /// From I420 to H.264.
    encode: Quantiles,
    /// From the camera's YUYV to RTP payloads, through the pipeline's threads.
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
    let film = Arc::new(Film::shoot(size));
    let (convert, encode) = steps(size, bitrate, &film)?;
    let whole = pipeline(size, bitrate, &film)?;
    Ok(Figures {
        name,
        frames: whole.len() as u32,
        dropped: FRAMES - whole.len() as u32,
        convert: quantiles(convert),
        encode: quantiles(encode),
        capture_to_packets: quantiles(whole),
    })
}

/// Times of conversion and of compression.
fn steps(size: Resolution, bitrate: Bitrate, film: &Film) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let mut converter = Converter::default();
    let mut encoder = Encoder::new(EncoderTarget {
        bitrate,
        fps: FPS as f32,
    });
    let mut source = Frame::black(size);
    let (mut convert, mut encode) = (Vec::new(), Vec::new());
    for number in 1..=FRAMES + WARM_UP {
        let began = Instant::now();
        converter.convert(PixelFormat::Yuyv, film.picture(number), size, &mut source)?;
        source.capture = MediaTime::from_duration(INTERVAL * number);
        let converting = began.elapsed();
        let began = Instant::now();
        encoder.encode(&source)?;
        if number > WARM_UP {
            encode.push(began.elapsed());
            convert.push(converting);
        }
    }
    Ok((convert, encode))
}

/// Times from the camera to the packets, of the pictures that got there.
fn pipeline(size: Resolution, bitrate: Bitrate, film: &Arc<Film>) -> anyhow::Result<Vec<Duration>> {
    let film = Arc::clone(film);
    let open = move |request| Ok(Box::new(NoisyCamera::new(request, Arc::clone(&film))) as Box<dyn VideoCapture>);
    let (pipeline, mut output) = Pipeline::start(PipelineConfig {
        video: Some(VideoSource::Custom(CustomVideo::new("noise", open))),
        audio: None,
        size,
        fps: FPS,
        max_bitrate: bitrate,
        ..PipelineConfig::default()
    })?;
    let clock = pipeline.clock();
    let mut payloader = H264Payloader::default();
    let mut times = Vec::new();
    let first = output.video.blocking_recv().context("the pipeline ended")?.capture;
    let (begin, end) = (
        first.plus(INTERVAL * WARM_UP),
        first.plus(INTERVAL * (WARM_UP + FRAMES)),
    );
    loop {
        let unit = output.video.blocking_recv().context("the pipeline ended")?;
        if unit.capture > end {
            break;
        }
        payloader.payload(PACKET_PAYLOAD, &unit.data)?;
        if unit.capture > begin {
            times.push(clock.now().saturating_since(unit.capture));
        }
    }
    times.truncate(FRAMES as usize);
    ensure!(!times.is_empty(), "no picture got through");
    Ok(times)
}

/// What a camera sees within a second, in YUYV; over and over after that.
struct Film(Vec<Vec<u8>>);

impl Film {
    fn shoot(size: Resolution) -> Self {
        let clock = MediaClock::start();
        let mut picture = Frame::black(size);
        let shoot = |number| {
            pattern::draw(
                &mut picture,
                &clock,
                MediaTime::from_duration(INTERVAL * number),
                number,
            );
            add_noise(&mut picture.y, number);
            let mut yuyv = vec![0; 2 * size.pixels() as usize];
            pack(&picture, &mut yuyv);
            yuyv
        };
        Self((0..FPS).map(shoot).collect())
    }

    fn picture(&self, number: u32) -> &[u8] {
        &self.0[number as usize % self.0.len()]
    }
}

/// A camera that delivers YUYV, each picture at its time.
struct NoisyCamera {
    request: CaptureRequest,
    film: Arc<Film>,
    number: u32,
    due: Instant,
    converter: Converter,
}

impl NoisyCamera {
    fn new(request: CaptureRequest, film: Arc<Film>) -> Self {
        Self {
            request,
            film,
            number: 0,
            due: Instant::now(),
            converter: Converter::default(),
        }
    }
}

impl VideoCapture for NoisyCamera {
    fn name(&self) -> &'static str {
        "noise"
    }

    fn capture(&mut self, sink: &Sender) -> Result<(), CaptureError> {
        let CaptureRequest { size, clock, .. } = self.request;
        self.due += INTERVAL;
        self.number += 1;
        std::thread::sleep(self.due.saturating_duration_since(Instant::now()));
        let mut frame = sink.buffer(size);
        frame.capture = clock.now();
        self.converter
            .convert(PixelFormat::Yuyv, self.film.picture(self.number), size, &mut frame)
            .map_err(|error| CaptureError::Failed {
                name: self.name().to_owned(),
                reason: error.to_string(),
            })?;
        sink.send(frame);
        Ok(())
    }
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
