//! The thread of one video slot: puts frames together, decodes them or leaves that to another, and shows each when it is due.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::frames::{AccessUnit, FrameBuffer, PictureCodec, PicturePacket};
use super::timing::Timing;
use crate::clock::{MediaClock, MediaTime};
use crate::subscribe::encoded::{EncodedCodec, EncodedPicture, EncodedPictures};
use crate::subscribe::micros::{MILLISECOND, Micros, micros};
use crate::subscribe::sync::Pair;
use crate::units::Resolution;
use crate::video::decoder::Decoder;
use crate::video::frame::Rotation;
use crate::video::mailbox::{Mailbox, Sender};

/// Packets that may wait for this thread while it decodes: a keyframe of a megabyte. What finds no room is lost, as on a
/// network, and is asked for again.
const QUEUE: usize = 1_024;

/// How late a picture may be before everything up to the next keyframe is left out: a machine that cannot keep up shows
/// fewer pictures, never older ones.
const TOO_LATE: Micros = 400 * MILLISECOND;

/// From here on a picture is decoded, because others refer to it, and not drawn, if the next one is there already.
const LATE: Micros = 20 * MILLISECOND;

/// Between two requests for a keyframe. The server passes on one in 500 ms.
const ASK_AGAIN: Micros = 500 * MILLISECOND;

/// How long the thread sleeps when nothing is due. It is woken by every packet.
const IDLE: Duration = Duration::from_millis(500);

/// What the thread is told.
pub(crate) enum PictureEvent {
    Packet(PicturePacket),
    /// A sender report: NTP time and extended timestamp.
    Report(u64, i64),
    /// It is in time with another sound.
    Join(Arc<Pair>),
}

/// What the thread tells, for whoever looks.
#[derive(Debug, Default)]
pub(crate) struct PictureFigures {
    decoded: AtomicU64,
    dropped: AtomicU64,
    width: AtomicU32,
    height: AtomicU32,
    /// What the last frame was in: 0 for H.264, else a place in [`EncodedCodec::ALL`] from 1 on.
    codec: AtomicU8,
    buffered_micros: AtomicU64,
    buffered: AtomicU64,
    decode_micros: AtomicU64,
    /// Keyframes that were asked for.
    keyframes_wanted: AtomicU64,
    /// Whether the packet path is to ask for one.
    wants_keyframe: AtomicBool,
    /// The first packet that is of any use still, for the one who asks for lost ones.
    needed_from: Mutex<Option<i64>>,
    closed: AtomicBool,
}

impl PictureFigures {
    /// Frames; with those that were handed on to be decoded.
    pub(crate) fn decoded(&self) -> u64 {
        self.decoded.load(Ordering::Relaxed)
    }

    /// Frames that were given up, or decoded and never shown.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Of the last frame.
    pub(crate) fn size(&self) -> Resolution {
        Resolution::new(self.width.load(Ordering::Relaxed), self.height.load(Ordering::Relaxed))
    }

    fn tell_size(&self, size: Resolution) {
        self.width.store(size.width, Ordering::Relaxed);
        self.height.store(size.height, Ordering::Relaxed);
    }

    /// Of the last frame, as in SDP.
    pub(crate) fn codec(&self) -> &'static str {
        let place = usize::from(self.codec.load(Ordering::Relaxed)).checked_sub(1);
        let encoded = place.and_then(|place| EncodedCodec::ALL.get(place));
        encoded.map_or("H264", |codec| codec.name())
    }

    fn tell_codec(&self, codec: PictureCodec) {
        let place = match codec {
            PictureCodec::H264 => 0,
            PictureCodec::Encoded(codec) => codec as u8 + 1,
        };
        self.codec.store(place, Ordering::Relaxed);
    }

    /// Time that frames waited before they were decoded, and how many they were.
    pub(crate) fn buffered(&self) -> (Duration, u64) {
        let waited = Duration::from_micros(self.buffered_micros.load(Ordering::Relaxed));
        (waited, self.buffered.load(Ordering::Relaxed))
    }

    /// Time that decoding took.
    pub(crate) fn decoding(&self) -> Duration {
        Duration::from_micros(self.decode_micros.load(Ordering::Relaxed))
    }

    /// Keyframes that were asked for.
    pub(crate) fn keyframes_wanted(&self) -> u64 {
        self.keyframes_wanted.load(Ordering::Relaxed)
    }

    /// Whether to ask for a keyframe now.
    pub(crate) fn take_keyframe_wish(&self) -> bool {
        self.wants_keyframe.swap(false, Ordering::AcqRel)
    }

    /// The first packet that is of any use still.
    pub(crate) fn needed_from(&self) -> Option<i64> {
        *self.needed_from.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to one slot's thread.
#[derive(Clone)]
pub(crate) struct PictureInlet {
    events: SyncSender<PictureEvent>,
    figures: Arc<PictureFigures>,
}

impl PictureInlet {
    /// Hands something over; it is dropped where there is no room.
    pub(crate) fn send(&self, event: PictureEvent) {
        if let Err(TrySendError::Full(_)) = self.events.try_send(event) {
            tracing::debug!("pictures are decoded too slowly");
        }
    }

    /// Ends the thread, at the latest when it wakes up.
    pub(crate) fn close(&self) {
        self.figures.closed.store(true, Ordering::Release);
    }
}

/// Starts the thread of a slot. It ends when it is closed or nobody is left to send to it.
pub(crate) fn start(
    clock: MediaClock,
    pair: Arc<Pair>,
    mailbox: &Arc<Mailbox>,
    encoded: &Arc<EncodedPictures>,
    figures: &Arc<PictureFigures>,
) -> std::io::Result<PictureInlet> {
    let (sender, events) = sync_channel(QUEUE);
    let pictures = mailbox.sender();
    mailbox.admit(pictures.id());
    let show = Show::new(clock, pair, pictures, Arc::clone(encoded), Arc::clone(figures));
    thread::Builder::new()
        .name("pictures".into())
        .spawn(move || show.run(&events))?;
    Ok(PictureInlet {
        events: sender,
        figures: Arc::clone(figures),
    })
}

struct Show {
    clock: MediaClock,
    frames: FrameBuffer,
    timing: Timing,
    /// Made with the first frame, since many slots never get one, and anew after an error.
    decoder: Option<Decoder>,
    pictures: Sender,
    encoded: Arc<EncodedPictures>,
    /// As it was last told: senders tell it with keyframes and changes only (3GPP TS 26.114 §7.4.5).
    rotation: Rotation,
    /// Of the last frame that was due.
    codec: PictureCodec,
    /// A frame that is not due yet.
    waiting: Option<AccessUnit>,
    /// When a keyframe was last asked for.
    asked: Option<Micros>,
    /// Frames that were decoded and not shown.
    passed_over: u64,
    figures: Arc<PictureFigures>,
}

impl Show {
    fn new(
        clock: MediaClock,
        pair: Arc<Pair>,
        pictures: Sender,
        encoded: Arc<EncodedPictures>,
        figures: Arc<PictureFigures>,
    ) -> Self {
        Self {
            clock,
            frames: FrameBuffer::default(),
            timing: Timing::new(pair),
            decoder: None,
            pictures,
            encoded,
            rotation: Rotation::default(),
            codec: PictureCodec::default(),
            waiting: None,
            asked: None,
            passed_over: 0,
            figures,
        }
    }

    fn run(mut self, events: &Receiver<PictureEvent>) {
        while !self.figures.closed.load(Ordering::Acquire) {
            let wait = self.next_deadline().map_or(IDLE, |at| {
                let left = at - self.now();
                Duration::from_micros(u64::try_from(left).unwrap_or(0)).min(IDLE)
            });
            match events.recv_timeout(wait) {
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // All that has come, before anything is decided: a keyframe may be among it.
            events.try_iter().take(QUEUE).for_each(|event| self.take(event));
            self.advance();
        }
    }

    fn now(&self) -> Micros {
        micros(self.clock.now())
    }

    fn take(&mut self, event: PictureEvent) {
        match event {
            PictureEvent::Packet(packet) => self.frames.insert(packet),
            PictureEvent::Report(ntp, timestamp) => self.timing.report(ntp, timestamp),
            PictureEvent::Join(pair) => self.timing.join(pair),
        }
    }

    fn next_deadline(&self) -> Option<Micros> {
        let now = self.now();
        let shown = self
            .waiting
            .as_ref()
            .map(|unit| self.timing.starts_at(unit.timestamp, now));
        let asked = self
            .asked
            .filter(|_| self.frames.awaits_keyframe())
            .map(|at| at + ASK_AGAIN);
        // What is missing is looked at again once the frame that waits is out.
        let given_up = self.frames.gives_up_at().filter(|_| self.waiting.is_none());
        [shown, asked, given_up].into_iter().flatten().min()
    }

    fn advance(&mut self) {
        loop {
            let now = self.now();
            if self.waiting.is_none() {
                self.waiting = self.frames.pop(now);
                if let Some(unit) = &self.waiting {
                    self.timing.arrived(unit.timestamp, unit.arrival);
                }
            }
            let Some(unit) = self
                .waiting
                .take_if(|unit| self.timing.starts_at(unit.timestamp, now) <= now)
            else {
                break;
            };
            self.show(unit, now);
        }
        // Whoever takes encoded pictures misses none while they are decoded here.
        if self.encoded.take_keyframe_wish() && self.codec != PictureCodec::H264 {
            self.frames.give_up();
        }
        self.ask_for_keyframe();
        self.figures
            .dropped
            .store(self.frames.dropped() + self.passed_over, Ordering::Relaxed);
        *self.figures.needed_from.lock().unwrap_or_else(PoisonError::into_inner) = self.frames.needed_from();
    }

    fn show(&mut self, unit: AccessUnit, now: Micros) {
        let late = now - self.timing.due(unit.timestamp, now);
        if late > TOO_LATE && !unit.keyframe {
            tracing::debug!(late_ms = late / MILLISECOND, "too slow for these pictures");
            self.passed_over += 1;
            self.frames.give_up();
            return;
        }
        if let Some(rotation) = unit.rotation {
            self.rotation = rotation;
        }
        let is_shown = late <= LATE || !self.frames.has_more();
        let add = |counter: &AtomicU64, value: u64| counter.fetch_add(value, Ordering::Relaxed);
        add(
            &self.figures.buffered_micros,
            u64::try_from(now - unit.arrival).unwrap_or(0),
        );
        add(&self.figures.buffered, 1);
        self.codec = unit.codec;
        self.figures.tell_codec(unit.codec);
        match unit.codec {
            PictureCodec::H264 => self.decode(&unit, is_shown),
            PictureCodec::Encoded(codec) => self.hand_on(codec, unit, is_shown),
        }
    }

    /// Counts as decoded: how the one does who takes it, nobody tells. One that nobody takes was not shown.
    fn hand_on(&mut self, codec: EncodedCodec, unit: AccessUnit, is_shown: bool) {
        self.figures.decoded.fetch_add(1, Ordering::Relaxed);
        if let Some(size) = unit.size {
            self.figures.tell_size(size);
        }
        let taken = self.encoded.send(EncodedPicture {
            codec,
            capture: captured(&unit),
            data: unit.data,
            keyframe: unit.keyframe,
            rotation: self.rotation,
            shown: is_shown,
        });
        self.passed_over += u64::from(!taken || !is_shown);
    }

    fn decode(&mut self, unit: &AccessUnit, is_shown: bool) {
        let started = Instant::now();
        let decoder = match self.decoder.take().map_or_else(Decoder::new, Ok) {
            Ok(decoder) => self.decoder.insert(decoder),
            Err(error) => {
                tracing::warn!(%error, "no decoder");
                self.frames.give_up();
                return;
            }
        };
        let pictures = &self.pictures;
        let result = decoder.decode(&unit.data, |size| is_shown.then(|| pictures.buffer(size)));
        let took = started.elapsed();
        self.timing.decoded(took.as_micros() as Micros);
        let add = |counter: &AtomicU64, value: u64| counter.fetch_add(value, Ordering::Relaxed);
        add(&self.figures.decode_micros, took.as_micros() as u64);
        match result {
            Ok(Some(mut frame)) => {
                add(&self.figures.decoded, 1);
                self.figures.tell_size(frame.size());
                frame.capture = captured(unit);
                frame.rotation = self.rotation;
                self.pictures.send(frame);
            }
            Ok(None) => {
                add(&self.figures.decoded, u64::from(!is_shown));
                self.passed_over += 1;
            }
            Err(error) => {
                tracing::debug!(%error, keyframe = unit.keyframe, "picture cannot be decoded");
                self.passed_over += 1;
                // What it has seen so far is of no use, and openh264 is not always well after an error.
                self.decoder = None;
                self.frames.give_up();
            }
        }
    }

    /// Asks where nothing can be decoded before a keyframe comes, at once and then again and again. Not while one is on its
    /// way, and not before anything has come: the server asks for the first keyframe by itself.
    fn ask_for_keyframe(&mut self) {
        if !self.frames.awaits_keyframe() || !self.frames.has_begun() {
            self.asked = None;
            return;
        }
        let now = self.now();
        match self.asked {
            Some(asked) if now - asked < ASK_AGAIN => return,
            None if self.frames.has_keyframe_begun() => {}
            _ => {
                self.figures.keyframes_wanted.fetch_add(1, Ordering::Relaxed);
                self.figures.wants_keyframe.store(true, Ordering::Release);
            }
        }
        self.asked = Some(now);
    }
}

/// When it came, which is what is known here of when it was captured.
fn captured(unit: &AccessUnit) -> MediaTime {
    MediaTime::from_duration(Duration::from_micros(unit.arrival.max(0) as u64))
}

#[cfg(test)]
mod tests;
