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

    pub(super) fn request_keyframe(&mut self) {
        self.encoder.request_keyframe();
    }

    /// Encodes a picture, and tells the size that it has become. `None` when rate control left it out.
    pub(super) fn encode(
        &mut self,
        frame: &Frame,
        now: MediaTime,
    ) -> Result<Option<(AccessUnit, Resolution)>, EncodingError> {
        let size = self.form.map_or(frame.size(), |form| form.size);
        let unit = if size == frame.size() {
            self.encoder.encode(frame)?
        } else {
            self.encode_smaller(frame, size)?
        };
        if let Some(unit) = &unit {
            self.made.record(now, unit.data.len(), Duration::ZERO);
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
