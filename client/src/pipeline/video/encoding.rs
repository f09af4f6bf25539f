//! From a captured picture to an access unit, in the form that the bitrate carries.

use std::time::Duration;

use crate::{
    clock::MediaTime,
    pipeline::{
        adaptation::{Adaptation, Form, Full},
        meter::Meter,
        rate::FramePacer,
    },
    units::{Bitrate, Resolution},
    video::{
        convert::{ConvertError, Converter},
        encoder::{AccessUnit, EncodeError, Encoder, EncoderTarget},
        frame::{Content, Frame},
    },
};

/// Relative change of the measured frame rate from which on the encoder is told.
const FPS_TOLERANCE: f32 = 0.15;
/// Least bitrate that openh264 makes a small picture from.
const MIN_BITRATE: Bitrate = Bitrate::from_kbps(25);
/// The share of the bitrate that keyframes may take which are asked for. On a line that loses what is too much for it, each that is lost is asked
/// for again, and what answers at once is lost as well.
const KEYFRAME_SHARE: f64 = 0.5;
/// The longest that one is waited for, however large the last one was.
const KEYFRAME_AFTER_MOST: Duration = Duration::from_secs(3);

/// Why a picture did not become an access unit.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodingError {
    /// It could not be scaled.
    #[error(transparent)]
    Scale(#[from] ConvertError),
    /// The encoder refused it.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// What is known of the source and the path when a picture comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conditions {
    pub(super) now: MediaTime,
    /// What congestion control allows.
    pub(super) bitrate: Bitrate,
    /// Pictures per second that come from the source, once they have been counted.
    pub(super) arriving: Option<f32>,
}

/// One encoder, and what is decided about it.
#[derive(Debug)]
pub(super) struct Encoding {
    full_fps: u32,
    adaptation: Adaptation,
    form: Option<Form>,
    encoder: Encoder,
    target: EncoderTarget,
    keyframe_wanted: bool,
    /// When the bitrate has room for another keyframe.
    keyframe_at: MediaTime,
    /// What the encoder has made.
    made: Meter,
    pacer: FramePacer,
    converter: Converter,
    scaled: Option<Frame>,
}

impl Encoding {
    pub(super) fn new(full_fps: u32, bitrate: Bitrate, adaptation: Adaptation) -> Self {
        let target = EncoderTarget {
            bitrate: bitrate.max(MIN_BITRATE),
            fps: full_fps as f32,
        };
        Self {
            full_fps,
            adaptation,
            form: None,
            encoder: Encoder::new(target),
            target,
            keyframe_wanted: false,
            keyframe_at: MediaTime::default(),
            made: Meter::default(),
            pacer: FramePacer::default(),
            converter: Converter::default(),
            scaled: None,
        }
    }

    /// Brings the encoder to what `conditions` allow for pictures of `size`. Returns the frame rate, which is none while no picture
    /// can be sent.
    pub(super) fn adapt(&mut self, size: Resolution, content: Content, conditions: Conditions) -> Option<f32> {
        let Conditions { now, bitrate, .. } = conditions;
        let full = Full {
            size,
            fps: self.full_fps,
            content,
        };
        let before = self.form;
        self.form = self.adaptation.choose(now, full, bitrate, self.made.bitrate(now));
        if self.form.map(|form| form.size) != before.map(|form| form.size) {
            tracing::debug!(form = ?self.form, %bitrate, "picture adapted");
            // After a pause the picture that viewers hold is old: a new one costs little more than what has changed since.
            self.encoder.request_keyframe();
        }
        let fps = self.form?.fps;
        // A camera that is slower than asked for, in the dark for example, leaves more bits for each picture.
        let arriving = conditions.arriving.map_or(fps, |arriving| arriving.clamp(1.0, fps));
        let changed = (arriving - self.target.fps).abs() > self.target.fps * FPS_TOLERANCE;
        let target = EncoderTarget {
            bitrate: bitrate.max(MIN_BITRATE),
            fps: if changed { arriving } else { self.target.fps },
        };
        if target != self.target {
            self.target = target;
            self.encoder.set_target(target);
        }
        Some(fps)
    }

    /// Whether the picture captured at `capture` is one of those to be encoded.
    pub(super) fn admits(&mut self, capture: MediaTime) -> bool {
        self.form.is_some_and(|form| self.pacer.admits(capture, form.fps))
    }

    /// Whether the bitrate carries any picture.
    pub(super) fn sends(&self) -> bool {
        self.form.is_some()
    }

    /// Makes a keyframe as soon as the bitrate has room for one.
    pub(super) fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Encodes a picture, and tells the size that it has become. `None` when rate control left it out.
    pub(super) fn encode(
        &mut self,
        frame: &Frame,
        now: MediaTime,
    ) -> Result<Option<(AccessUnit, Resolution)>, EncodingError> {
        if self.keyframe_wanted && now >= self.keyframe_at {
            self.encoder.request_keyframe();
        }
        let size = self.form.map_or(frame.size(), |form| form.size);
        let unit = if size == frame.size() {
            self.encoder.encode(frame)?
        } else {
            self.encode_smaller(frame, size)?
        };
        if let Some(unit) = &unit {
            self.made.record(now, unit.data.len(), Duration::ZERO);
            self.adaptation.made(unit.data.len());
            if unit.keyframe {
                self.keyframe_wanted = false;
                self.keyframe_at = now.plus(keyframe_pause(unit.data.len(), self.target.bitrate));
            }
        }
        Ok(unit.map(|unit| (unit, size)))
    }

    fn encode_smaller(&mut self, frame: &Frame, size: Resolution) -> Result<Option<AccessUnit>, EncodingError> {
        let mut scaled = self
            .scaled
            .take()
            .filter(|scaled| scaled.size() == size)
            .unwrap_or_else(|| Frame::black(size));
        self.converter.shrink(frame, &mut scaled)?;
        let unit = self.encoder.encode(&scaled)?;
        self.scaled = Some(scaled);
        Ok(unit)
    }

    /// Begins with a new encoder, after one that failed.
    pub(super) fn renew(&mut self) {
        self.encoder = Encoder::new(self.target);
    }
}

/// How long no other keyframe is made on request after one of `bytes`.
fn keyframe_pause(bytes: usize, bitrate: Bitrate) -> Duration {
    let room = f64::from(bitrate.bps()) * KEYFRAME_SHARE;
    Duration::from_secs_f64((bytes as f64 * 8.0 / room).min(KEYFRAME_AFTER_MOST.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::MediaClock, video::pattern};

    const FPS: u32 = 15;
    const SIZE: Resolution = Resolution::new(640, 360);

    /// Pictures of a pattern for so many seconds, before each of which a keyframe is asked for. The bytes of keyframes, and of all.
    fn asked_again_and_again(kbps: u32, seconds: u32) -> (Vec<usize>, usize) {
        let clock = MediaClock::start();
        let bitrate = Bitrate::from_kbps(kbps);
        let mut encoding = Encoding::new(FPS, bitrate, Adaptation::all_or_nothing());
        let mut frame = Frame::black(SIZE);
        let (mut keyframes, mut all) = (Vec::new(), 0);
        for number in 0..FPS * seconds {
            let now = MediaTime::from_duration(Duration::from_secs(1) * number / FPS);
            pattern::draw(&mut frame, &clock, now, number);
            let conditions = Conditions {
                now,
                bitrate,
                arriving: None,
            };
            encoding
                .adapt(SIZE, Content::Camera, conditions)
                .expect("a picture is carried");
            encoding.request_keyframe();
            if let Some((unit, _)) = encoding.encode(&frame, now).expect("it encodes") {
                all += unit.data.len();
                if unit.keyframe {
                    keyframes.push(unit.data.len());
                }
            }
        }
        (keyframes, all)
    }

    #[test]
    fn keyframes_that_are_asked_for_leave_room_for_other_pictures() {
        let (seconds, kbps) = (20, 150);
        let (keyframes, all) = asked_again_and_again(kbps, seconds);
        let room = f64::from(kbps * 1000 / 8 * seconds);
        // The last one's pause reaches beyond the end.
        let last = keyframes.last().copied().unwrap_or_default();
        let share = (keyframes.iter().sum::<usize>() - last) as f64 / room;
        assert!(share > 0.3 && share <= KEYFRAME_SHARE, "{share}: {keyframes:?}");
        assert!((all as f64) < room * 1.3, "{all} of {room}");
    }

    #[test]
    fn a_wide_line_has_room_for_a_keyframe_nearly_at_once() {
        let (keyframes, _) = asked_again_and_again(4_000, 3);
        assert!(keyframes.len() > 20, "{}", keyframes.len());
    }

    #[test]
    fn nobody_waits_for_a_keyframe_for_long() {
        assert_eq!(keyframe_pause(10_000_000, MIN_BITRATE), KEYFRAME_AFTER_MOST);
    }
}
