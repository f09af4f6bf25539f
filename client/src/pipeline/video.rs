//! The video encode thread: latest picture in, access units out, and a card while the source is lost or hidden.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    PipelineError,
    config::EncodedVideo,
    meter::Meter,
    preview::{Preview, PreviewTap},
    rate::{FramePacer, FrameRateLadder},
    stats::VideoStats,
};
use crate::{
    clock::{MediaClock, MediaTime},
    source::VideoSource,
    units::{Bitrate, Resolution},
    video::{
        self,
        capture::{CaptureRequest, CaptureThread},
        card,
        encoder::{AccessUnit, Encoder, EncoderTarget},
        frame::Frame,
        mailbox::{Delivery, Mailbox},
    },
};

/// Access units that wait for the network: at 30 fps a fifth of a second, enough for a busy scheduler, too little to be seen as delay.
pub(super) const QUEUE: usize = 6;
/// A source that has shown nothing for this long is lost.
const STALL: Duration = Duration::from_secs(2);
/// A capture thread that has hung for this long is replaced; sooner, a driver that recovers by itself would be torn down for nothing.
const HANG: Duration = Duration::from_secs(5);
/// Time between two cards: enough for moving dots, and for players to see that the stream is alive.
const CARD_INTERVAL: Duration = Duration::from_millis(200);
/// Relative change of the measured frame rate from which on the encoder is told.
const FPS_TOLERANCE: f32 = 0.15;
/// Least bitrate that openh264 makes a picture from.
const MIN_BITRATE: Bitrate = Bitrate::from_kbps(50);
/// How long the encoder rests after a failure, instead of failing for each picture.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// What the pipeline's owner changes while the thread runs.
#[derive(Debug)]
struct Controls {
    keyframe: AtomicBool,
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
        max_bitrate: Bitrate,
        encoding: bool,
        output: mpsc::Sender<EncodedVideo>,
    ) -> Result<Self, PipelineError> {
        let mailbox = Mailbox::new();
        let capture = video::start(&source, request, &mailbox)?;
        Self::encode(source, capture, mailbox, request, max_bitrate, encoding, output)
    }

    /// Starts encoding what `capture`, opened for `source`, delivers into `mailbox`.
    fn encode(
        source: VideoSource,
        capture: CaptureThread,
        mailbox: Arc<Mailbox>,
        request: CaptureRequest,
        max_bitrate: Bitrate,
        encoding: bool,
        output: mpsc::Sender<EncodedVideo>,
    ) -> Result<Self, PipelineError> {
        mailbox.admit(capture.sender_id());
        let source = Arc::new(Mutex::new((source, capture)));
        let controls = Arc::new(Controls {
            keyframe: AtomicBool::new(false),
            hidden: AtomicBool::new(false),
            encoding: AtomicBool::new(encoding),
            target_bps: AtomicU32::new(max_bitrate.bps()),
            preview: PreviewTap::default(),
        });
        let figures = Arc::new(Mutex::new(Figures {
            target_fps: request.fps as f32,
            ..Figures::default()
        }));
        let target = EncoderTarget {
            bitrate: max_bitrate,
            fps: request.fps as f32,
        };
        let task = Task {
            request,
            mailbox: Arc::clone(&mailbox),
            source: Arc::clone(&source),
            controls: Arc::clone(&controls),
            figures: Arc::clone(&figures),
            output,
            encoder: Encoder::new(target),
            target,
            ladder: FrameRateLadder::new(),
            pacer: FramePacer::default(),
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
        self.controls.keyframe.store(true, Ordering::Release);
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
        let bounded = bitrate.max(MIN_BITRATE).min(self.max_bitrate);
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
    encoder: Encoder,
    target: EncoderTarget,
    ladder: FrameRateLadder,
    pacer: FramePacer,
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
                    let fps = self.retarget(frame.size());
                    if self.controls.hidden.load(Ordering::Acquire) {
                        // Not one picture of the source leaves, and cards do at their own pace.
                        if Instant::now() >= next_card {
                            next_card = Instant::now() + CARD_INTERVAL;
                            self.show_card(card::draw_off);
                        }
                    } else {
                        if self.pacer.admits(frame.capture, fps) {
                            self.encode(&frame);
                        } else {
                            lock(&self.figures).dropped += 1;
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

    /// Brings the encoder to the current target and returns the frame rate to encode at.
    fn retarget(&mut self, size: Resolution) -> f32 {
        let now = self.clock().now();
        let bitrate = Bitrate::from_bps(self.controls.target_bps.load(Ordering::Acquire));
        let fps = self.ladder.choose(bitrate, size, self.request.fps);
        let mut figures = lock(&self.figures);
        figures.target_fps = fps;
        // A camera that is slower than asked for, in the dark for example, leaves more bits for each picture.
        let arriving = if figures.captured.is_settled(now) {
            figures.captured.per_second(now).clamp(1.0, fps)
        } else {
            fps
        };
        drop(figures);
        let changed = (arriving - self.target.fps).abs() > self.target.fps * FPS_TOLERANCE;
        let target = EncoderTarget {
            bitrate,
            fps: if changed { arriving } else { self.target.fps },
        };
        if target != self.target {
            self.target = target;
            self.encoder.set_target(target);
        }
        fps
    }

    fn encode(&mut self, frame: &Frame) {
        if !self.controls.encoding.load(Ordering::Acquire) {
            return;
        }
        // After a change of source its clock may lag a little: time on the track never runs backwards.
        if self.last_capture.is_some_and(|last| frame.capture <= last) {
            lock(&self.figures).dropped += 1;
            return;
        }
        // A slow receiver costs a picture before it is encoded, so that no reference is missing and no keyframe is needed.
        let Ok(permit) = self.output.try_reserve() else {
            lock(&self.figures).dropped += 1;
            return;
        };
        if self.controls.keyframe.swap(false, Ordering::AcqRel) {
            self.encoder.request_keyframe();
        }
        let started = Instant::now();
        match self.encoder.encode(frame) {
            Ok(Some(AccessUnit { data, keyframe })) => {
                self.last_capture = Some(frame.capture);
                let mut figures = lock(&self.figures);
                figures.encoded += 1;
                figures.resolution = Some(frame.size());
                figures
                    .output
                    .record(self.request.clock.now(), data.len(), started.elapsed());
                drop(figures);
                let Resolution { width, height } = frame.size();
                permit.send(EncodedVideo {
                    data,
                    capture: frame.capture,
                    keyframe,
                    width,
                    height,
                });
            }
            Ok(None) => lock(&self.figures).dropped += 1,
            Err(error) => {
                tracing::error!(%error, "a picture was not encoded");
                lock(&self.figures).dropped += 1;
                self.encoder = Encoder::new(self.target);
                thread::sleep(FAILURE_PAUSE);
            }
        }
    }

    /// Called while no picture comes: the watchdog.
    fn source_is_lost(&self) -> bool {
        let silent = self.last_delivery.elapsed();
        let mut source = lock(&self.source);
        let capture = &mut source.1;
        if silent >= STALL {
            capture.state().set_lost(capture.name(), "no picture for two seconds");
        }
        if silent >= HANG {
            capture.replace_hung(&self.mailbox);
        }
        capture.state().is_lost()
    }

    fn show_lost_card(&mut self) {
        if self.controls.hidden.load(Ordering::Acquire) {
            return self.show_card(card::draw_off);
        }
        let title = match lock(&self.source).0 {
            VideoSource::Camera(_) => "Camera lost",
            VideoSource::Screen(_) => "Screen lost",
            VideoSource::Pattern => "Pattern lost",
            VideoSource::Custom(_) => "Picture lost",
        };
        let tick = self.cards;
        self.cards += 1;
        self.show_card(|frame| card::draw_lost(frame, title, tick));
    }

    fn show_card(&mut self, draw: impl FnOnce(&mut Frame)) {
        let mut frame = Frame::black(self.request.size);
        draw(&mut frame);
        frame.capture = self.clock().now();
        self.encode(&frame);
    }
}

#[cfg(test)]
mod tests;
