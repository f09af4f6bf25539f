//! From devices to encoded media, at the pace of the capture clock.
//!
//! ```text
//! device ─ capture thread ─ mailbox (latest wins) ─ video encode thread ─ bounded queue ─▶ MediaOutput::video
//! device ─ callback ─ ring buffer ─────────────────  audio encode thread ─ bounded queue ─▶ MediaOutput::audio
//! ```

mod adaptation;
mod audio;
mod config;
mod meter;
mod preview;
mod rate;
pub(crate) mod simulcast;
mod stats;
mod video;
mod voice;

use std::io;

use tokio::sync::mpsc;

pub use self::{
    config::{EncodedAudio, EncodedVideo, MediaOutput, PipelineConfig},
    preview::Preview,
    stats::{AudioStats, PipelineStats, VideoStats},
};
pub use crate::source::{AudioSource, CustomVideo, SourceState, VideoSource};
use crate::{
    audio::{AudioError, encoder, voice::VoiceProcessing},
    clock::MediaClock,
    units::{Bitrate, Resolution},
    video::capture::{CaptureError, CaptureRequest},
};

/// Why a pipeline could not start or change its source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// Neither a video nor an audio source was asked for.
    #[error("nothing to publish: choose a camera, a screen or the test pattern, or a microphone or the tone")]
    NothingToCapture,
    /// The pipeline has no video that could be switched.
    #[error("this stream has no picture: start it with a camera, a screen or the test pattern")]
    NoVideo,
    /// The picture source.
    #[error(transparent)]
    Video(#[from] CaptureError),
    /// The sound source.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// Opus did not take its parameters.
    #[error(transparent)]
    AudioEncoder(#[from] encoder::EncodeError),
    /// The system gives no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// Running capture and encoding. Dropping it ends all its threads and releases the devices.
#[derive(Debug)]
pub struct Pipeline {
    clock: MediaClock,
    video: Option<video::VideoTrack>,
    audio: Option<audio::AudioTrack>,
}

impl Pipeline {
    /// Opens the sources and starts encoding, on a clock of its own. Blocks until the devices have answered, at most some seconds.
    pub fn start(config: PipelineConfig) -> Result<(Self, MediaOutput), PipelineError> {
        Self::start_on(MediaClock::start(), config)
    }

    /// The same on a clock that others run on as well, so that what they capture can be played together.
    pub fn start_on(clock: MediaClock, config: PipelineConfig) -> Result<(Self, MediaOutput), PipelineError> {
        if config.video.is_none() && config.audio.is_none() {
            return Err(PipelineError::NothingToCapture);
        }
        let layers = if config.simulcast { simulcast::MOST_LAYERS } else { 1 };
        let (video_sender, video_output) = mpsc::channel(video::QUEUE * layers);
        let (audio_sender, audio_output) = mpsc::channel(audio::QUEUE);
        let request = CaptureRequest {
            size: config.size.even(),
            fps: config.fps.max(1),
            clock,
        };
        let audio = config
            .audio
            .as_ref()
            .map(|source| audio::AudioTrack::start(source, clock, &config, audio_sender))
            .transpose()?;
        let video = config
            .video
            .map(|source| {
                let way = video::Way {
                    max_bitrate: config.max_bitrate,
                    simulcast: config.simulcast,
                    encoding: config.encoding,
                };
                video::VideoTrack::start(source, request, way, video_sender)
            })
            .transpose()?;
        Ok((
            Self { clock, video, audio },
            MediaOutput {
                video: video_output,
                audio: audio_output,
            },
        ))
    }

    /// The clock that stamps both tracks.
    pub fn clock(&self) -> MediaClock {
        self.clock
    }

    /// Makes the next picture a keyframe, in each of its sizes. Asking again before it is out changes nothing.
    pub fn request_keyframe(&self) {
        if let Some(video) = &self.video {
            video.request_keyframe();
        }
    }

    /// The same for one simulcast layer, by [`EncodedVideo::layer`].
    pub(crate) fn request_layer_keyframe(&self, layer: usize) {
        if let Some(video) = &self.video {
            video.request_layer_keyframe(layer);
        }
    }

    /// Sets what congestion control allows for video, at most [`PipelineConfig::max_bitrate`]. Where that is little for the size, fewer
    /// pictures are sent, then smaller ones, and at last none until there is more.
    pub fn set_target_bitrate(&self, bitrate: Bitrate) {
        if let Some(video) = &self.video {
            video.set_target_bitrate(bitrate);
        }
    }

    /// Sets what congestion control allows for sound, at most [`PipelineConfig::audio_bitrate`].
    pub fn set_audio_bitrate(&self, bitrate: Bitrate) {
        if let Some(audio) = &self.audio {
            audio.set_target_bitrate(bitrate);
        }
    }

    /// Tells Opus which share of its packets gets lost, in percent, so that it spends bits on in-band FEC accordingly.
    pub fn set_expected_loss(&self, percent: u8) {
        if let Some(audio) = &self.audio {
            audio.set_expected_loss(percent);
        }
    }

    /// Whether what is captured is encoded. Without it capture, level and preview go on and cost little; with it again, a
    /// keyframe comes first.
    pub fn set_encoding(&self, encoding: bool) {
        if let Some(video) = &self.video {
            video.set_encoding(encoding);
        }
        if let Some(audio) = &self.audio {
            audio.set_encoding(encoding);
        }
    }

    /// Small copies of what the picture source delivers, at most as large as `bounds`, for whoever is filmed. Nothing comes while the
    /// picture is hidden. There is one preview at a time: another one takes the place of this.
    pub fn preview(&self, bounds: Resolution) -> Result<Preview, PipelineError> {
        Ok(self.video.as_ref().ok_or(PipelineError::NoVideo)?.preview(bounds))
    }

    /// Goes on with another picture source on the same track. Blocks until the new source has opened, at most some seconds. On an error
    /// the old source stays.
    pub fn switch_video(&self, source: VideoSource) -> Result<(), PipelineError> {
        self.video.as_ref().ok_or(PipelineError::NoVideo)?.switch(source)
    }

    /// What is done to a microphone's sound from now on; the track goes on. The tone stays as it is.
    pub fn set_voice_processing(&self, voice: VoiceProcessing) {
        if let Some(audio) = &self.audio {
            audio.set_voice_processing(voice);
        }
    }

    /// Sends silence instead of the sound source, or the sound again; the track stays alive.
    pub fn set_muted(&self, muted: bool) {
        if let Some(audio) = &self.audio {
            audio.set_muted(muted);
        }
    }

    /// Whether sound is muted.
    pub fn muted(&self) -> bool {
        self.audio.as_ref().is_some_and(audio::AudioTrack::muted)
    }

    /// Sends a card that says so instead of the picture, or the picture again; the track stays alive.
    pub fn set_hidden(&self, hidden: bool) {
        if let Some(video) = &self.video {
            video.set_hidden(hidden);
        }
    }

    /// Whether the picture is hidden.
    pub fn hidden(&self) -> bool {
        self.video.as_ref().is_some_and(video::VideoTrack::hidden)
    }

    /// Peak level of the sound source over the last 100 ms in dBFS, measured before mute; −∞ for digital silence.
    pub fn audio_level(&self) -> f32 {
        self.audio.as_ref().map_or(f32::NEG_INFINITY, audio::AudioTrack::level)
    }

    /// Current figures.
    pub fn stats(&self) -> PipelineStats {
        PipelineStats {
            video: self.video.as_ref().map(video::VideoTrack::stats),
            audio: self.audio.as_ref().map(audio::AudioTrack::stats),
        }
    }

    /// Ends all threads and releases the devices, as dropping does.
    pub fn stop(self) {
        drop(self);
    }
}
