//! What goes into a pipeline, and what comes out of it.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{
    audio::voice::VoiceProcessing,
    clock::MediaTime,
    devices::DeviceChoice,
    source::{AudioSource, VideoSource},
    subscribe::FarEnd,
    units::{Bitrate, Resolution},
};

/// One H.264 access unit: everything that belongs to one picture, and one RTP timestamp.
#[derive(Debug, Clone)]
pub struct EncodedVideo {
    /// Annex B byte stream (ITU-T H.264 annex B): constrained baseline, SPS and PPS before each IDR picture.
    pub data: Bytes,
    /// When the picture was captured.
    pub capture: MediaTime,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// Which simulcast layer it belongs to: 0 is the largest picture, each further one has half the sides of the one before.
    pub layer: usize,
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
}

/// One Opus packet of 20 ms at 48 kHz stereo.
#[derive(Debug, Clone)]
pub struct EncodedAudio {
    /// The packet (RFC 6716 §3).
    pub data: Bytes,
    /// When its first sample was captured.
    pub capture: MediaTime,
    /// Samples per channel in the packet, at 48 kHz.
    pub samples: u32,
}

/// What a pipeline captures and how it encodes.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// Picture source; none makes an audio-only pipeline.
    pub video: Option<VideoSource>,
    /// Sound source; none makes a video-only pipeline.
    pub audio: Option<AudioSource>,
    /// Size of the encoded picture; odd sides are made even.
    pub size: Resolution,
    /// Most frames per second to encode.
    pub fps: u32,
    /// Ceiling of the video bitrate, and what it starts at until [`Pipeline::set_target_bitrate`](super::Pipeline::set_target_bitrate)
    /// says otherwise.
    pub max_bitrate: Bitrate,
    /// Whether the picture is encoded in up to three sizes at once, so that each viewer gets one that suits them. They share
    /// `max_bitrate`.
    pub simulcast: bool,
    /// Bitrate of the Opus stream.
    pub audio_bitrate: Bitrate,
    /// What is done to a microphone's sound.
    pub voice: VoiceProcessing,
    /// What is played here, for echo cancellation to know it.
    pub far_end: FarEnd,
    /// Whether to encode from the start, and not only after [`Pipeline::set_encoding`](super::Pipeline::set_encoding).
    pub encoding: bool,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            video: Some(VideoSource::Camera(DeviceChoice::Default)),
            audio: Some(AudioSource::Microphone(DeviceChoice::Default)),
            size: Resolution::HD,
            fps: 30,
            max_bitrate: Bitrate::from_kbps(2500),
            simulcast: false,
            audio_bitrate: Bitrate::from_kbps(64),
            voice: VoiceProcessing::OFF,
            far_end: FarEnd::default(),
            encoding: true,
        }
    }
}

/// The encoded media of a pipeline. A receiver whose source is `None` is closed from the start; both close when the pipeline ends.
#[derive(Debug)]
pub struct MediaOutput {
    /// Access units in capture order.
    pub video: mpsc::Receiver<EncodedVideo>,
    /// Opus packets in capture order.
    pub audio: mpsc::Receiver<EncodedAudio>,
}
