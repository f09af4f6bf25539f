//! From devices to encoded media, at the pace of the capture clock.

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{
    clock::{MediaClock, MediaTime},
    devices::DeviceChoice,
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

/// Where the picture comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoSource {
    /// A camera.
    Camera(DeviceChoice),
    /// A screen (feature `screen`).
    Screen(DeviceChoice),
    /// The test pattern, see [`crate::video::pattern`].
    Pattern,
}

/// Where the sound comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioSource {
    /// A microphone.
    Microphone(DeviceChoice),
    /// The test tone, see [`crate::audio::tone`].
    Tone,
}

/// What a pipeline captures and how it encodes.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// Picture source; none makes an audio-only pipeline.
    pub video: Option<VideoSource>,
    /// Sound source; none makes a video-only pipeline.
    pub audio: Option<AudioSource>,
    /// Size of the encoded picture.
    pub size: Resolution,
    /// Most frames per second to encode.
    pub fps: u32,
    /// Ceiling of the video bitrate, and what it starts at until [`Pipeline::set_target_bitrate`] says otherwise.
    pub max_bitrate: Bitrate,
    /// Bitrate of the Opus stream.
    pub audio_bitrate: Bitrate,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            video: Some(VideoSource::Camera(DeviceChoice::Default)),
            audio: Some(AudioSource::Microphone(DeviceChoice::Default)),
            size: Resolution::HD,
            fps: 30,
            max_bitrate: Bitrate::from_kbps(2500),
            audio_bitrate: Bitrate::from_kbps(64),
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

/// How a source is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SourceState {
    /// Opened, nothing has come out yet.
    Starting,
    /// Delivering.
    Live,
    /// Gone or stalled; the pipeline shows a card or sends silence, and keeps trying to reopen it.
    Lost {
        /// What happened, for people.
        why: String,
    },
}

/// A pipeline's figures since its start, except where said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PipelineStats {
    /// Pictures that the source delivered.
    pub frames_captured: u64,
    /// Pictures that became an access unit.
    pub frames_encoded: u64,
    /// Pictures that were not encoded: superseded by a newer one, skipped by rate control, or over the reduced frame rate.
    pub frames_dropped: u64,
    /// Access units thrown away because the receiver was slow.
    pub units_dropped: u64,
    /// Pictures captured per second, over the last second.
    pub capture_fps: f32,
    /// Access units per second, over the last second.
    pub encode_fps: f32,
    /// Size of the encoded picture.
    pub resolution: Resolution,
    /// Current target of the video encoder.
    pub target_bitrate: Bitrate,
    /// What the video encoder put out over the last second.
    pub encoded_bitrate: Bitrate,
    /// Time to encode one picture in milliseconds, mean over the last second.
    pub encode_ms: f32,
    /// What the picture source is called, such as the camera's name.
    pub video_name: String,
    /// State of the picture source; none when there is none.
    pub video_state: Option<SourceState>,
    /// State of the sound source; none when there is none.
    pub audio_state: Option<SourceState>,
    /// What the sound source is called.
    pub audio_name: String,
    /// Times that captured sound was lost because the encoder thread was late.
    pub audio_overruns: u64,
    /// Opus packets thrown away because the receiver was slow.
    pub packets_dropped: u64,
}

/// Why a pipeline could not start or change its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// Neither a video nor an audio source was asked for.
    #[error("nothing to publish: choose a camera, a screen or the test pattern, or a microphone or the tone")]
    NothingToCapture,
}

/// Running capture and encoding. Dropping it ends all its threads and releases the devices.
#[derive(Debug)]
pub struct Pipeline {
    clock: MediaClock,
}

impl Pipeline {
    /// Opens the sources and starts encoding. Blocks until the devices have answered, at most some seconds.
    pub fn start(config: PipelineConfig) -> Result<(Self, MediaOutput), PipelineError> {
        if config.video.is_none() && config.audio.is_none() {
            return Err(PipelineError::NothingToCapture);
        }
        let (_, video) = mpsc::channel(1);
        let (_, audio) = mpsc::channel(1);
        Ok((Self { clock: MediaClock::start() }, MediaOutput { video, audio }))
    }

    /// The clock that stamps both tracks.
    pub fn clock(&self) -> MediaClock {
        self.clock
    }

    /// Makes the next picture a keyframe. Asking again before it is out changes nothing.
    pub fn request_keyframe(&self) {}

    /// Sets what congestion control allows for video, at most [`PipelineConfig::max_bitrate`]. Below a sensible amount of bits for each
    /// pixel the frame rate is lowered too.
    pub fn set_target_bitrate(&self, _bitrate: Bitrate) {}

    /// Tells Opus which share of its packets gets lost, in percent, so that it spends bits on in-band FEC accordingly.
    pub fn set_expected_loss(&self, _percent: u8) {}

    /// Goes on with another picture source on the same track. On an error the old source stays.
    pub fn switch_video(&self, _source: VideoSource) -> Result<(), PipelineError> {
        Ok(())
    }

    /// Sends silence instead of the sound source, or the sound again; the track stays alive.
    pub fn set_muted(&self, _muted: bool) {}

    /// Whether sound is muted.
    pub fn muted(&self) -> bool {
        false
    }

    /// Peak level of the sound source over the last 100 ms in dBFS, measured before mute; −∞ for digital silence.
    pub fn audio_level(&self) -> f32 {
        f32::NEG_INFINITY
    }

    /// Current figures.
    pub fn stats(&self) -> PipelineStats {
        unimplemented!()
    }

    /// Ends all threads and releases the devices, as dropping does.
    pub fn stop(self) {}
}
