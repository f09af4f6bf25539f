//! H.264 by openh264: constrained baseline, for real time.

mod options;

use std::thread;

use bytes::Bytes;
use openh264::{
    OpenH264API, Timestamp,
    encoder::{
        BitRate, Complexity, Encoder as OpenH264, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Profile,
        RateControlMode, SpsPpsStrategy, UsageType, VuiConfig,
    },
};

use super::frame::{Content, Frame};
use crate::units::{Bitrate, Resolution};

/// Least room for an access unit: one network packet.
const MIN_UNIT_CAPACITY: usize = 1_500;
/// Most room set aside before the size of an access unit is known: a large keyframe.
const MAX_UNIT_CAPACITY: usize = 256 * 1024;

/// Slices of a large picture, each encoded by a thread of its own: a picture is ready sooner, for the same work. Two, because each
/// slice costs a few bits, and a machine that publishes has something else to do as well.
const SLICES: u16 = 2;
/// Smallest picture that is sliced. Below it a thread takes longer to wake up than it saves.
const SLICED_FROM: Resolution = Resolution::new(960, 540);

/// Why a picture could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// openh264 refused its parameters or a picture.
    #[error("the H.264 encoder failed at {size}: {source}")]
    OpenH264 {
        /// Size of the picture.
        size: Resolution,
        /// What openh264 said.
        source: openh264::Error,
    },
}

/// An access unit as it left the encoder.
#[derive(Debug, Clone)]
pub struct AccessUnit {
    /// Annex B byte stream; an IDR picture is preceded by its SPS and PPS.
    pub data: Bytes,
    /// Whether it is an IDR picture.
    pub keyframe: bool,
}

/// What the encoder is working towards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderTarget {
    /// Mean bitrate.
    pub bitrate: Bitrate,
    /// Pictures per second that will be handed in: rate control shares the bits out by it.
    pub fps: f32,
}

/// An encoder that follows size and content of what it is given. A keyframe comes first, after a change of size or content, and when it
/// is asked for; never otherwise, but for a screen on which nearly everything has changed.
pub struct Encoder {
    target: EncoderTarget,
    keyframe_wanted: bool,
    running: Option<Running>,
    /// Room for the next access unit: as much as the last one took.
    unit_capacity: usize,
}

/// openh264 set up for one size and kind of content.
struct Running {
    openh264: OpenH264,
    size: Resolution,
    content: Content,
    /// The target it has been told; none until its first picture.
    applied: Option<EncoderTarget>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// An encoder that works towards `target`.
    pub fn new(target: EncoderTarget) -> Self {
        Self {
            target,
            keyframe_wanted: true,
            running: None,
            unit_capacity: MIN_UNIT_CAPACITY,
        }
    }

    /// Changes the target from the next picture on.
    pub fn set_target(&mut self, target: EncoderTarget) {
        self.target = target;
    }

    /// Makes the next picture a keyframe.
    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Encodes a picture. `None` when rate control left it out.
    pub fn encode(&mut self, frame: &Frame) -> Result<Option<AccessUnit>, EncodeError> {
        let failed = |source| EncodeError::OpenH264 {
            size: frame.size(),
            source,
        };
        let fits = |running: &Running| running.size == frame.size() && running.content == frame.content;
        let running = match self.running.take().filter(fits) {
            Some(running) => self.running.insert(running),
            None => self.running.insert(Running::new(frame, self.target).map_err(failed)?),
        };
        running.retarget(self.target).map_err(failed)?;
        if self.keyframe_wanted {
            running.openh264.force_intra_frame();
        }
        let timestamp = Timestamp::from_millis(frame.capture.as_duration().as_millis() as u64);
        let stream = running.openh264.encode_at(frame, timestamp).map_err(failed)?;
        let keyframe = match stream.frame_type() {
            FrameType::IDR => true,
            FrameType::I | FrameType::P | FrameType::IPMixed => false,
            FrameType::Skip | FrameType::Invalid => return Ok(None),
        };
        if keyframe {
            self.keyframe_wanted = false;
        }
        let mut data = Vec::with_capacity(self.unit_capacity);
        stream.write_vec(&mut data);
        self.unit_capacity = data.len().clamp(MIN_UNIT_CAPACITY, MAX_UNIT_CAPACITY);
        Ok(Some(AccessUnit {
            data: Bytes::from(data),
            keyframe,
        }))
    }
}

impl Running {
    fn new(frame: &Frame, target: EncoderTarget) -> Result<Self, openh264::Error> {
        let screen = frame.content == Content::Screen;
        let usage = if screen {
            UsageType::ScreenContentRealTime
        } else {
            UsageType::CameraVideoRealTime
        };
        let config = EncoderConfig::new()
            .usage_type(usage)
            .profile(Profile::Baseline)
            .bitrate(BitRate::from_bps(target.bitrate.bps()))
            .max_frame_rate(FrameRate::from_hz(target.fps))
            .rate_control_mode(RateControlMode::Bitrate)
            // Without it rate control cannot hold its target on a busy picture.
            .skip_frames(true)
            .complexity(Complexity::Low)
            .num_threads(1)
            // A keyframe is worth many pictures' bits: only when somebody asks for one.
            .intra_frame_period(IntraFramePeriod::from_num_frames(0))
            // For screens openh264 insists on it: a picture that has changed nearly everywhere becomes a keyframe, which costs no more.
            .scene_change_detect(screen)
            // Neither exists for screens; left on, openh264 writes a warning to stderr.
            .adaptive_quantization(!screen)
            .background_detection(!screen)
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            .vui(VuiConfig::bt601());
        let mut openh264 = OpenH264::with_api_config(OpenH264API::from_source(), config)?;
        if slices(frame.size()) > 1 {
            // openh264 can be told so only when it runs: a picture that nobody sees starts it.
            openh264.encode(&Frame::black(frame.size()))?;
            options::slice(&mut openh264, slices(frame.size()))?;
        }
        Ok(Self {
            openh264,
            size: frame.size(),
            content: frame.content,
            applied: None,
        })
    }

    /// Brings a running encoder to `target`. A new one has it from its parameters and starts with the first picture.
    fn retarget(&mut self, target: EncoderTarget) -> Result<(), openh264::Error> {
        if let Some(applied) = self.applied
            && applied != target
        {
            options::apply(&mut self.openh264, applied, target)?;
        }
        self.applied = Some(target);
        Ok(())
    }
}

/// How many slices a picture of `size` has on this machine.
fn slices(size: Resolution) -> u16 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if size.pixels() < SLICED_FROM.pixels() || cores < usize::from(SLICES) {
        1
    } else {
        SLICES
    }
}

#[cfg(test)]
mod tests;
