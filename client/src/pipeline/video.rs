//! The video encode thread: latest picture in, access units out, and a card while the source is lost or hidden.

mod encoding;
mod layers;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use self::{
    encoding::{Conditions, EncodingError},
    layers::Layers,
};
use super::{
    PipelineError,
    config::EncodedVideo,
    meter::Meter,
    preview::{Preview, PreviewTap},
    stats::VideoStats,
};
use crate::{
    clock::{MediaClock, MediaTime},
    source::VideoSource,
    units::{Bitrate, Resolution},
    video::{
        self,
        capture::{CaptureRequest, CaptureThread, HANG},
        card,
        encoder::AccessUnit,
        frame::Frame,
        mailbox::{Delivery, Mailbox},
    },
};

/// Access units that wait for the network: at 30 fps a fifth of a second, enough for a busy scheduler, too little to be seen as delay.
/// With simulcast, of each layer.
pub(super) const QUEUE: usize = 6;
/// A source that has shown nothing for this long is lost.
const STALL: Duration = Duration::from_secs(2);
/// Time between two cards: enough for moving dots, and for players to see that the stream is alive.
const CARD_INTERVAL: Duration = Duration::from_millis(200);
/// How long the encoder rests after a failure, instead of failing for each picture.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// How the picture is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// Of all layers together.
    pub(super) max_bitrate: Bitrate,
    pub(super) simulcast: bool,
    /// Whether to encode from the start.
    pub(super) encoding: bool,
}

/// What the pipeline's owner changes while the thread runs.
#[derive(Debug)]
struct Controls {
    /// Layers whose next picture is to be one, as bits.
    keyframes: AtomicU8,
    hidden: AtomicBool,
    encoding: AtomicBool,
    target_bps: AtomicU32,
    preview: PreviewTap,
}

/// What the thread tells about itself.
#[derive(Debug, Default)]
struct Figures {
    encoded: u64,
    dropped: u64,
    resolution: Option<Resolution>,
    target_fps: f32,
    captured: Meter,
    output: Meter,
}

/// The running video half of a pipeline.
#[derive(Debug)]
pub(super) struct VideoTrack {
    request: CaptureRequest,
    max_bitrate: Bitrate,
    mailbox: Arc<Mailbox>,
    source: Arc<Mutex<(VideoSource, CaptureThread)>>,
    controls: Arc<Controls>,
    figures: Arc<Mutex<Figures>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl VideoTrack {
    pub(super) fn start(
        source: VideoSource,
        request: CaptureRequest,
        way: Way,
        output: mpsc::Sender<EncodedVideo>,
    ) -> Result<Self, PipelineError> {
        let mailbox = Mailbox::new();
        let capture = video::start(&source, request, &mailbox)?;
        Self::encode(source, capture, mailbox, request, way, output)
    }

    /// Starts encoding what `capture`, opened for `source`, delivers into `mailbox`.
    fn encode(
        source: VideoSource,
        capture: CaptureThread,
        mailbox: Arc<Mailbox>,
        request: CaptureRequest,
        way: Way,
        output: mpsc::Sender<EncodedVideo>,
    ) -> Result<Self, PipelineError> {
        let max_bitrate = way.max_bitrate;
        mailbox.admit(capture.sender_id());
        let source = Arc::new(Mutex::new((source, capture)));
        let controls = Arc::new(Controls {
            keyframes: AtomicU8::new(0),
            hidden: AtomicBool::new(false),
            encoding: AtomicBool::new(way.encoding),
            target_bps: AtomicU32::new(max_bitrate.bps()),
            preview: PreviewTap::default(),
        });
        let figures = Arc::new(Mutex::new(Figures {
            target_fps: request.fps as f32,
            ..Figures::default()
        }));
        let task = Task {
            request,
            mailbox: Arc::clone(&mailbox),
            source: Arc::clone(&source),
            controls: Arc::clone(&controls),
            figures: Arc::clone(&figures),
            output,
            layers: Layers::new(request.size, request.fps, max_bitrate, way.simulcast),
            last_capture: None,
            last_delivery: Instant::now(),
            cards: 0,
        };
        let thread = thread::Builder::new()
            .name("video-encode".into())
            .spawn(move || task.run())
            .map_err(PipelineError::Thread)?;
        Ok(Self {
            request,
            max_bitrate,
            mailbox,
            source,
            controls,
            figures,
            thread: Some(thread),
        })
    }

    pub(super) fn request_keyframe(&self) {
        self.controls.keyframes.store(layers::ALL, Ordering::Release);
    }

    pub(super) fn request_layer_keyframe(&self, layer: usize) {
        let bit = u32::try_from(layer).ok().and_then(|layer| 1_u8.checked_shl(layer));
        self.controls.keyframes.fetch_or(bit.unwrap_or(0), Ordering::AcqRel);
    }

    pub(super) fn set_hidden(&self, hidden: bool) {
        self.controls.hidden.store(hidden, Ordering::Release);
    }

    pub(super) fn hidden(&self) -> bool {
        self.controls.hidden.load(Ordering::Acquire)
    }

    pub(super) fn set_encoding(&self, encoding: bool) {
        if encoding {
            // What receivers have seen last is no reference for what comes now.
            self.request_keyframe();
        }
        self.controls.encoding.store(encoding, Ordering::Release);
    }

    pub(super) fn preview(&self, bounds: Resolution) -> Preview {
        self.controls.preview.open(bounds)
    }

    pub(super) fn set_target_bitrate(&self, bitrate: Bitrate) {
        let bounded = bitrate.min(self.max_bitrate);
        self.controls.target_bps.store(bounded.bps(), Ordering::Release);
    }

    /// Opens the new source first, so that a source that cannot be had leaves the old one on air.
    pub(super) fn switch(&self, source: VideoSource) -> Result<(), PipelineError> {
        if lock(&self.source).0 == source {
            return Ok(());
        }
        let capture = video::start(&source, self.request, &self.mailbox)?;
        self.mailbox.admit(capture.sender_id());
        tracing::info!(source = capture.name(), "video source changed");
        let old = std::mem::replace(&mut *lock(&self.source), (source, capture));
        // Closing a device can take a while: not while the lock is held.
        drop(old);
        Ok(())
    }

    pub(super) fn stats(&self) -> VideoStats {
        let now = self.request.clock.now();
        let (frames_captured, superseded) = self.mailbox.counts();
        let (name, state) = {
            let source = lock(&self.source);
            (source.1.name().to_owned(), source.1.state().get())
        };
        let mut figures = lock(&self.figures);
        VideoStats {
            source: name,
            state,
            resolution: figures.resolution.unwrap_or(self.request.size.even()),
            frames_captured,
            frames_encoded: figures.encoded,
            frames_dropped: figures.dropped + superseded,
            capture_fps: figures.captured.per_second(now),
            encode_fps: figures.output.per_second(now),
            target_fps: figures.target_fps,
            target_bitrate: Bitrate::from_bps(self.controls.target_bps.load(Ordering::Acquire)),
            encoded_bitrate: figures.output.bitrate(now),
            encode_ms: figures.output.mean_spent(now).as_secs_f32() * 1e3,
        }
    }
}

impl Drop for VideoTrack {
    fn drop(&mut self) {
        self.mailbox.close();
        self.controls.preview.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the video encode thread panicked");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks, so that what they hold is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread's own state.
struct Task {
    request: CaptureRequest,
    mailbox: Arc<Mailbox>,
    source: Arc<Mutex<(VideoSource, CaptureThread)>>,
    controls: Arc<Controls>,
    figures: Arc<Mutex<Figures>>,
    output: mpsc::Sender<EncodedVideo>,
    layers: Layers,
    last_capture: Option<MediaTime>,
    last_delivery: Instant,
    cards: u64,
}

impl Task {
    fn run(mut self) {
        let mut next_card = Instant::now();
        loop {
            match self.mailbox.take(Instant::now() + CARD_INTERVAL) {
                Delivery::Frame(frame) => {
                    self.last_delivery = Instant::now();
                    lock(&self.figures)
                        .captured
                        .record(self.clock().now(), 0, Duration::ZERO);
                    if self.controls.hidden.load(Ordering::Acquire) {
                        // Not one picture of the source leaves, and cards do at their own pace.
                        if Instant::now() >= next_card {
                            next_card = Instant::now() + CARD_INTERVAL;
                            self.show_card(card::draw_off);
                        }
                    } else {
                        self.adapt(&frame);
                        match self.layers.due(frame.capture) {
                            0 => lock(&self.figures).dropped += 1,
                            due => self.encode(&frame, due),
                        }
                        // After encoding, which others wait for.
                        self.controls.preview.show(&frame);
                    }
                    self.mailbox.recycle(frame);
                }
                Delivery::TimedOut if self.source_is_lost() && Instant::now() >= next_card => {
                    next_card = Instant::now() + CARD_INTERVAL;
                    self.show_lost_card();
                }
                Delivery::TimedOut => {}
                Delivery::Closed => return,
            }
            if self.output.is_closed() {
                return;
            }
        }
    }

    fn clock(&self) -> MediaClock {
        self.request.clock
    }

    /// Brings the encoder to what congestion control allows for pictures like `frame`.
    fn adapt(&mut self, frame: &Frame) {
        let now = self.clock().now();
        let mut figures = lock(&self.figures);
        let conditions = Conditions {
            now,
            bitrate: Bitrate::from_bps(self.controls.target_bps.load(Ordering::Acquire)),
            arriving: figures
                .captured
                .is_settled(now)
                .then(|| figures.captured.per_second(now)),
        };
        drop(figures);
        let fps = self.layers.adapt(frame, conditions);
        lock(&self.figures).target_fps = fps;
    }

    /// Encodes a picture for each of `layers`, which are bits.
    fn encode(&mut self, frame: &Frame, layers: u8) {
        if !self.controls.encoding.load(Ordering::Acquire) {
            return;
        }
        // After a change of source its clock may lag a little: time on the track never runs backwards.
        if self.last_capture.is_some_and(|last| frame.capture <= last) {
            lock(&self.figures).dropped += 1;
            return;
        }
        self.layers
            .request_keyframes(self.controls.keyframes.swap(0, Ordering::AcqRel));
        let started = Instant::now();
        match self.encode_layers(frame, layers) {
            Ok(Some((bytes, largest))) => {
                self.last_capture = Some(frame.capture);
                let mut figures = lock(&self.figures);
                figures.resolution = Some(largest);
                figures
                    .output
                    .record(self.request.clock.now(), bytes, started.elapsed());
            }
            Ok(None) => lock(&self.figures).dropped += 1,
            Err(error) => {
                tracing::error!(%error, "a picture was not encoded");
                lock(&self.figures).dropped += 1;
                self.layers.renew();
                thread::sleep(FAILURE_PAUSE);
            }
        }
    }

    /// The bytes and the largest size of what a picture has become; none where nothing came of it.
    fn encode_layers(&mut self, frame: &Frame, layers: u8) -> Result<Option<(usize, Resolution)>, EncodingError> {
        self.layers.scale(frame, layers)?;
        let mut sum = None;
        for layer in (0..self.layers.count()).filter(|layer| layers >> layer & 1 == 1) {
            // A slow receiver costs a picture before it is encoded, so that no reference is missing and no keyframe is needed.
            let Ok(permit) = self.output.try_reserve() else { break };
            let now = self.request.clock.now();
            if let Some((AccessUnit { data, keyframe }, size)) = self.layers.encode(frame, layer, now)? {
                if sum.is_none() {
                    // Before it is sent, so that whoever has the picture finds it counted.
                    lock(&self.figures).encoded += 1;
                }
                let (bytes, largest) = sum.unwrap_or((0, size));
                sum = Some((bytes + data.len(), largest));
                let Resolution { width, height } = size;
                permit.send(EncodedVideo {
                    data,
                    capture: frame.capture,
                    keyframe,
                    layer,
                    width,
                    height,
                });
            }
        }
        Ok(sum)
    }

    /// Called while no picture comes: the watchdog.
    fn source_is_lost(&self) -> bool {
        let silent = self.last_delivery.elapsed();
        let mut source = lock(&self.source);
        let capture = &mut source.1;
        if silent >= STALL {
            capture.state().set_lost(capture.name(), "no picture for two seconds");
        }
        if capture.silence() >= HANG && !capture.state().is_gone() {
            capture.replace_hung(&self.mailbox);
        }
        capture.state().is_lost()
    }

    fn show_lost_card(&mut self) {
        if self.controls.hidden.load(Ordering::Acquire) {
            self.show_card(card::draw_off);
            return;
        }
        let title = match lock(&self.source).0 {
            VideoSource::Camera(_) => "Camera lost",
            VideoSource::Screen(_) => "Screen lost",
            VideoSource::Pattern => "Pattern lost",
            VideoSource::Custom(_) => "Picture lost",
        };
        let tick = self.cards;
        self.cards += 1;
        let card = self.show_card(|frame| card::draw_lost(frame, title, tick));
        // Whoever is filmed would otherwise look at the last picture, which nobody else sees any more.
        self.controls.preview.show(&card);
    }

    /// Sends a card, and returns it.
    fn show_card(&mut self, draw: impl FnOnce(&mut Frame)) -> Frame {
        let mut frame = Frame::black(self.request.size);
        draw(&mut frame);
        frame.capture = self.clock().now();
        self.adapt(&frame);
        let sent = self.layers.sent();
        if sent != 0 {
            self.encode(&frame, sent);
        }
        frame
    }
}

#[cfg(test)]
mod tests;
