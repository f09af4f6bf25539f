//! Watches a session over WHEP with our own receiving half, and says as JSON lines what is seen and heard:
//! `watch http://host:8080/whep/ID [--speaker]`.
//!
//! It is what the end-to-end tests look through, and shows how a [`Subscription`] is used. What is told of the test pattern
//! (numbers, flashes, clicks) is there where somebody publishes it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use footlight_client::audio::playback::Output;
use footlight_client::audio::tone::TONE_PEAK;
use footlight_client::audio::{CHANNELS, SAMPLE_RATE};
use footlight_client::clock::{MediaClock, MediaTime};
use footlight_client::devices::DeviceChoice;
use footlight_client::subscribe::{MediaSample, Reference, SubscribeSetup, Subscription, Wanted};
use footlight_client::video::frame::Frame;
use footlight_client::video::mailbox::{Delivery, Mailbox};
use footlight_client::video::strip;
use footlight_protocol::MediaKind;
use reqwest::StatusCode;
use serde::Serialize;

/// Between two lines.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Of two flashes or clicks, which come once a second.
const APART: Duration = Duration::from_millis(300);

/// Half way between black and white.
const GREY: u8 = 126;

/// What was seen and heard so far.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Pictures shown.
    frames: u64,
    /// Pictures whose number was not above the one before.
    backward: u64,
    size: Option<[u32; 2]>,
    /// Of the last second's sound, in hertz.
    frequency: Option<f64>,
    /// By how many milliseconds flashes came after their clicks.
    flash_after_click_ms: Vec<i64>,
    sample: Option<MediaSample>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let url: reqwest::Url = arguments.next().context("which WHEP address?")?.parse()?;
    let output = match arguments.next().as_deref() {
        Some("--speaker") => Output::Device(DeviceChoice::Default),
        None => Output::None,
        Some(other) => anyhow::bail!("{other} is not known"),
    };
    let clock = MediaClock::start();
    let setup = SubscribeSetup {
        host: url.host_str().unwrap_or_default().to_owned(),
        wanted: Wanted { audio: 1, video: 1 },
        encoded: Vec::new(),
        output,
        clock,
    };
    let (subscription, offer) = Subscription::offer(setup).await?;
    subscription.accept(&negotiate(url, offer).await?).await?;
    let slots = subscription.slots();
    let (mid, _) = slots
        .iter()
        .find(|(_, kind)| *kind == MediaKind::Video)
        .context("no picture slot")?;
    let pictures = subscription.pictures(mid)?;
    let reference = subscription.reference();
    tokio::task::spawn_blocking(move || watch(&subscription, &pictures, reference, clock)).await?
}

/// The answer to an offer (draft-ietf-wish-whep §4.2).
async fn negotiate(url: reqwest::Url, offer: String) -> anyhow::Result<String> {
    // reqwest makes its TLS configuration even where none is needed, and leaves the choice of a provider to us.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let request = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/sdp")
        .body(offer);
    let response = request.send().await?;
    let status = response.status();
    let answer = response.text().await?;
    ensure!(status == StatusCode::CREATED, "the server answered {status}: {answer}");
    Ok(answer)
}

/// Reports until the subscription ends or nobody reads the lines any more.
fn watch(
    subscription: &Subscription,
    pictures: &Mailbox,
    mut reference: Reference,
    clock: MediaClock,
) -> anyhow::Result<()> {
    let mut report = Report::default();
    let (mut eye, mut ear) = (Eye::default(), Ear::default());
    let mut due = Instant::now() + REPORT_INTERVAL;
    loop {
        match pictures.take(due) {
            Delivery::Frame(frame) => {
                eye.see(&frame, clock.now(), &mut report);
                pictures.recycle(frame);
            }
            Delivery::TimedOut => {}
            Delivery::Closed => return Ok(()),
        }
        while let Some(block) = reference.read() {
            ear.hear(block.heard, &block.samples);
        }
        if Instant::now() >= due {
            due += REPORT_INTERVAL;
            report.frequency = ear.frequency();
            report.flash_after_click_ms = apart(&eye.flashes, &ear.clicks);
            report.sample = subscription.sample();
            println!("{}", serde_json::to_string(&report)?);
        }
    }
}

#[derive(Default)]
struct Eye {
    number: u32,
    was_white: bool,
    flashes: Vec<MediaTime>,
}

impl Eye {
    fn see(&mut self, frame: &Frame, at: MediaTime, report: &mut Report) {
        let (width, height) = (frame.width(), frame.height());
        report.frames += 1;
        report.size = Some([width as u32, height as u32]);
        let Some(reading) = strip::read(&frame.y, width, width, height) else {
            return;
        };
        report.backward += u64::from(reading.frame_number <= self.number);
        self.number = reading.frame_number;
        // The middle of the square that flashes, in the upper right corner.
        let inset = height / 12;
        let is_white = frame.y[inset * width + width - inset] > GREY;
        if is_white && !std::mem::replace(&mut self.was_white, is_white) {
            self.flashes.push(at);
        }
        self.was_white = is_white;
    }
}

#[derive(Default)]
struct Ear {
    clicks: Vec<MediaTime>,
    /// Of the left channel, since the last report.
    samples: Vec<f32>,
}

impl Ear {
    fn hear(&mut self, heard: MediaTime, block: &[f32]) {
        let left = block.chunks(CHANNELS).map(|frame| frame[0]);
        let is_new = self
            .clicks
            .last()
            .is_none_or(|last| heard.saturating_since(*last) > APART);
        let loud = left.clone().position(|value| value.abs() > 2.5 * TONE_PEAK);
        if let Some(place) = loud.filter(|_| is_new) {
            self.clicks
                .push(heard.plus(Duration::from_secs(1) * place as u32 / SAMPLE_RATE));
        }
        self.samples.extend(left);
    }

    /// From the median distance of zero crossings, which clicks leave alone. None where it was silent.
    fn frequency(&mut self) -> Option<f64> {
        let samples = std::mem::take(&mut self.samples);
        let is_loud = samples.iter().any(|value| value.abs() > TONE_PEAK / 2.0);
        let rising = |n: &usize| samples[n - 1] < 0.0 && samples[*n] >= 0.0;
        let crossings: Vec<usize> = (1..samples.len()).filter(rising).collect();
        let mut periods: Vec<usize> = crossings.windows(2).map(|pair| pair[1] - pair[0]).collect();
        periods.sort_unstable();
        let median = periods.get(periods.len() / 2).filter(|_| is_loud)?;
        Some(f64::from(SAMPLE_RATE) / *median as f64)
    }
}

fn apart(flashes: &[MediaTime], clicks: &[MediaTime]) -> Vec<i64> {
    let ms = |time: &MediaTime| time.as_duration().as_millis() as i64;
    let nearest = |flash: &MediaTime| {
        let distances = clicks.iter().map(|click| ms(flash) - ms(click));
        distances
            .min_by_key(|distance| distance.abs())
            .filter(|distance| distance.abs() < 500)
    };
    flashes.iter().filter_map(nearest).collect()
}
