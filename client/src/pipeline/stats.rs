//! A pipeline's figures.

use serde::Serialize;

use crate::{
    audio::voice::VoiceProcessing,
    source::SourceState,
    units::{Bitrate, Resolution},
};

/// A pipeline's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PipelineStats {
    /// The picture; none in an audio-only pipeline.
    pub video: Option<VideoStats>,
    /// The sound; none in a video-only pipeline.
    pub audio: Option<AudioStats>,
}

/// Figures of the picture since the start, except where said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VideoStats {
    /// What the source is called, such as the camera's name.
    pub source: String,
    /// How the source is doing.
    pub state: SourceState,
    /// Size of the encoded picture.
    pub resolution: Resolution,
    /// Pictures that the source delivered.
    pub frames_captured: u64,
    /// Pictures that became an access unit, cards included.
    pub frames_encoded: u64,
    /// Pictures that were not encoded: superseded by a newer one, left out by rate control, over the reduced frame rate, or because the
    /// receiver of the access units was slow.
    pub frames_dropped: u64,
    /// Pictures that the source delivered over the last second.
    pub capture_fps: f32,
    /// Access units over the last second.
    pub encode_fps: f32,
    /// Frames per second that the target bitrate is thought to carry; 0 while it carries no picture at all.
    pub target_fps: f32,
    /// What the encoder works towards.
    pub target_bitrate: Bitrate,
    /// What the encoder put out over the last second.
    pub encoded_bitrate: Bitrate,
    /// Milliseconds to encode one picture, mean over the last second.
    pub encode_ms: f32,
}

/// Figures of the sound since the start, except where said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AudioStats {
    /// What the source is called.
    pub source: String,
    /// How the source is doing.
    pub state: SourceState,
    /// Whether silence is sent instead.
    pub muted: bool,
    /// Opus packets made.
    pub packets_encoded: u64,
    /// Opus packets thrown away because their receiver was slow.
    pub packets_dropped: u64,
    /// Times that captured samples were lost because they were not fetched in time.
    pub overruns: u64,
    /// What is done to a microphone's sound.
    pub voice: VoiceProcessing,
    /// Whether there is an echo to be cancelled: something was played here, and echo cancellation is on.
    pub cancels_echo: bool,
}
