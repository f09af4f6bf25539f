//! One source: its device, its encoder, and the way of its track.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use footlight_protocol::TrackSource;
use serde::Serialize;

use super::StudioError;
use crate::{
    audio::voice::VoiceProcessing,
    clock::MediaClock,
    pipeline::{
        AudioSource, AudioStats, EncodedAudio, EncodedVideo, MediaOutput, Pipeline, PipelineConfig, PipelineError,
        Preview, VideoSource, VideoStats,
    },
    publish::{
        media::Carrier,
        outlet::{Outlet, Payload, SentCounters},
    },
    record::Intake,
    subscribe::FarEnd,
    units::{Bitrate, Resolution},
};

/// What a source is opened with.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceConfig {
    /// For a camera or a screen.
    Picture {
        /// The device.
        source: VideoSource,
        /// Size of the encoded picture; odd sides are made even.
        size: Resolution,
        /// Most frames per second.
        fps: u32,
        /// What the encoder works towards where the path carries it.
        bitrate: Bitrate,
    },
    /// For a microphone.
    Sound {
        /// The device.
        source: AudioSource,
        /// Of the Opus stream.
        bitrate: Bitrate,
        /// What is done to a microphone's sound.
        voice: VoiceProcessing,
    },
}

impl SourceConfig {
    pub(super) fn check(&self, place: TrackSource) -> Result<(), StudioError> {
        let has_picture = matches!(place, TrackSource::Camera | TrackSource::Screen);
        match self {
            Self::Picture { .. } if !has_picture => Err(StudioError::WrongKind {
                wanted: "picture",
                place,
            }),
            Self::Sound { .. } if has_picture => Err(StudioError::WrongKind { wanted: "sound", place }),
            _ => Ok(()),
        }
    }

    fn pipeline(&self, far_end: &FarEnd) -> PipelineConfig {
        match self.clone() {
            Self::Picture {
                source,
                size,
                fps,
                bitrate,
            } => PipelineConfig {
                video: Some(source),
                audio: None,
                size,
                fps,
                max_bitrate: bitrate,
                ..PipelineConfig::default()
            },
            Self::Sound { source, bitrate, voice } => PipelineConfig {
                video: None,
                audio: Some(source),
                audio_bitrate: bitrate,
                voice,
                far_end: far_end.clone(),
                ..PipelineConfig::default()
            },
        }
    }

    /// Whether the running encoder can go on, with another device before it.
    fn differs_in_device_alone(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Picture { size, fps, bitrate, .. },
                Self::Picture {
                    size: other_size,
                    fps: other_fps,
                    bitrate: other_bitrate,
                    ..
                },
            ) => (size, fps, bitrate) == (other_size, other_fps, other_bitrate),
            _ => false,
        }
    }

    /// What the running sound can be told, where nothing else is different.
    fn differing_voice(&self, other: &Self) -> Option<VoiceProcessing> {
        match (self, other) {
            (
                Self::Sound { source, bitrate, .. },
                Self::Sound {
                    source: other_source,
                    bitrate: other_bitrate,
                    voice,
                },
            ) => ((source, bitrate) == (other_source, other_bitrate)).then_some(*voice),
            _ => None,
        }
    }

    fn device(&self) -> Option<&VideoSource> {
        match self {
            Self::Picture { source, .. } => Some(source),
            Self::Sound { .. } => None,
        }
    }
}

/// Figures of one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceStats {
    /// Which one.
    pub place: TrackSource,
    /// Whether it is sent, and not silence or a card.
    pub on: bool,
    /// Of a camera or screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoStats>,
    /// Of a microphone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioStats>,
}

/// An open source.
#[derive(Debug)]
pub(super) struct Source {
    place: TrackSource,
    clock: MediaClock,
    far_end: FarEnd,
    state: Mutex<State>,
    /// Where its media goes.
    carrier: Carriers,
}

#[derive(Debug)]
struct State {
    config: SourceConfig,
    /// None for a moment while it is exchanged, and after an exchange that failed altogether.
    pipeline: Option<Pipeline>,
    on: bool,
    /// What counts the packets of the connection that it is sent on.
    on_air: Option<Arc<SentCounters>>,
}

#[derive(Debug)]
enum Carriers {
    Picture(Carrier<EncodedVideo>),
    Sound(Carrier<EncodedAudio>),
}

impl Source {
    pub(super) fn open(
        place: TrackSource,
        clock: MediaClock,
        far_end: FarEnd,
        config: SourceConfig,
    ) -> Result<Self, PipelineError> {
        let (pipeline, output) = start(clock, &far_end, &config)?;
        let carrier = match config {
            SourceConfig::Picture { .. } => Carriers::Picture(Carrier::of(output.video)),
            SourceConfig::Sound { .. } => Carriers::Sound(Carrier::of(output.audio)),
        };
        Ok(Self {
            place,
            clock,
            far_end,
            state: Mutex::new(State {
                config,
                pipeline: Some(pipeline),
                on: true,
                on_air: None,
            }),
            carrier,
        })
    }

    pub(super) fn place(&self) -> TrackSource {
        self.place
    }

    /// Another device, size, frame rate or bitrate, on the same track.
    pub(super) fn change(&self, config: SourceConfig) -> Result<(), PipelineError> {
        // Taken out for as long as a device takes to open or close, so that nobody waits at the lock for that.
        let (before, pipeline) = {
            let mut state = self.lock();
            if state.config == config && state.pipeline.is_some() {
                return Ok(());
            }
            if let (Some(pipeline), Some(voice)) = (&state.pipeline, state.config.differing_voice(&config)) {
                pipeline.set_voice_processing(voice);
                state.config = config;
                return Ok(());
            }
            (state.config.clone(), state.pipeline.take())
        };
        match (pipeline, config.device().cloned()) {
            (Some(pipeline), Some(device)) if before.differs_in_device_alone(&config) => {
                let switched = pipeline.switch_video(device);
                self.put(pipeline, if switched.is_ok() { config } else { before });
                return switched;
            }
            // A camera can be open once only, so that the old one goes first.
            (pipeline, _) => drop(pipeline),
        }
        match start(self.clock, &self.far_end, &config) {
            Ok(started) => {
                self.adopt(started, config);
                Ok(())
            }
            Err(error) => {
                match start(self.clock, &self.far_end, &before) {
                    Ok(started) => self.adopt(started, before),
                    Err(again) => tracing::warn!(%again, place = ?self.place, "the source of before is away as well"),
                }
                Err(error)
            }
        }
    }

    fn adopt(&self, (pipeline, output): (Pipeline, MediaOutput), config: SourceConfig) {
        self.put(pipeline, config);
        match &self.carrier {
            Carriers::Picture(carrier) => carrier.feed(output.video),
            Carriers::Sound(carrier) => carrier.feed(output.audio),
        }
    }

    fn put(&self, pipeline: Pipeline, config: SourceConfig) {
        let mut state = self.lock();
        apply(&pipeline, state.on, state.on_air.is_some());
        state.config = config;
        state.pipeline = Some(pipeline);
    }

    pub(super) fn set_on(&self, on: bool) {
        let mut state = self.lock();
        state.on = on;
        if let Some(pipeline) = &state.pipeline {
            apply(pipeline, on, state.on_air.is_some());
        }
    }

    /// Sends to a connection from now on, which is known by its counters.
    pub(super) fn go_on_air(&self, outlet: Outlet, sent: Arc<SentCounters>) {
        let mut state = self.lock();
        if state.on_air.as_ref().is_some_and(|before| Arc::ptr_eq(before, &sent)) {
            return;
        }
        match &self.carrier {
            Carriers::Picture(carrier) => carrier.lead(Some(EncodedVideo::way(outlet, Arc::clone(&sent)))),
            Carriers::Sound(carrier) => carrier.lead(Some(EncodedAudio::way(outlet, Arc::clone(&sent)))),
        }
        state.on_air = Some(sent);
        if let Some(pipeline) = &state.pipeline {
            pipeline.set_encoding(true);
        }
    }

    /// Sends nowhere and stops encoding, unless it is sent on another connection by now.
    pub(super) fn go_off_air_from(&self, connection: &Arc<SentCounters>) {
        let mut state = self.lock();
        if !state.on_air.as_ref().is_some_and(|sent| Arc::ptr_eq(sent, connection)) {
            return;
        }
        state.on_air = None;
        if let Some(pipeline) = &state.pipeline {
            pipeline.set_encoding(false);
        }
        match &self.carrier {
            Carriers::Picture(carrier) => carrier.lead(None),
            Carriers::Sound(carrier) => carrier.lead(None),
        }
    }

    /// Keeps a copy of all that is sent from now on, or of nothing any more.
    pub(super) fn copy(&self, to: Option<Intake>) {
        match &self.carrier {
            Carriers::Picture(carrier) => carrier.copy(to),
            Carriers::Sound(carrier) => carrier.copy(to),
        }
        // A file begins with a picture that needs no other.
        self.request_keyframe();
    }

    pub(super) fn request_keyframe(&self) {
        self.with_pipeline(Pipeline::request_keyframe);
    }

    /// What it wants of the path, where it is a picture.
    pub(super) fn wanted_bitrate(&self) -> Option<Bitrate> {
        match self.lock().config {
            SourceConfig::Picture { bitrate, .. } => Some(bitrate),
            SourceConfig::Sound { .. } => None,
        }
    }

    pub(super) fn set_target_bitrate(&self, bitrate: Bitrate) {
        self.with_pipeline(|pipeline| pipeline.set_target_bitrate(bitrate));
    }

    pub(super) fn set_audio_bitrate(&self, bitrate: Bitrate) {
        self.with_pipeline(|pipeline| pipeline.set_audio_bitrate(bitrate));
    }

    pub(super) fn set_expected_loss(&self, percent: u8) {
        self.with_pipeline(|pipeline| pipeline.set_expected_loss(percent));
    }

    pub(super) fn preview(&self, bounds: Resolution) -> Result<Preview, StudioError> {
        let preview = self.with_pipeline(|pipeline| pipeline.preview(bounds));
        Ok(preview.ok_or(StudioError::NotOpen(self.place))??)
    }

    pub(super) fn level(&self) -> f32 {
        self.with_pipeline(Pipeline::audio_level).unwrap_or(f32::NEG_INFINITY)
    }

    pub(super) fn stats(&self) -> SourceStats {
        let stats = self.with_pipeline(Pipeline::stats);
        let (video, audio) = stats.map_or((None, None), |stats| (stats.video, stats.audio));
        SourceStats {
            place: self.place,
            on: self.lock().on,
            video,
            audio,
        }
    }

    /// Nobody else ever holds the pipeline: whoever dropped it last would wait for its device.
    fn with_pipeline<T>(&self, ask: impl FnOnce(&Pipeline) -> T) -> Option<T> {
        self.lock().pipeline.as_ref().map(ask)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change leaves the state whole, so that a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until somebody connects, nothing is encoded.
fn start(clock: MediaClock, far_end: &FarEnd, config: &SourceConfig) -> Result<(Pipeline, MediaOutput), PipelineError> {
    Pipeline::start_on(
        clock,
        PipelineConfig {
            encoding: false,
            ..config.pipeline(far_end)
        },
    )
}

fn apply(pipeline: &Pipeline, on: bool, on_air: bool) {
    pipeline.set_muted(!on);
    pipeline.set_hidden(!on);
    pipeline.set_encoding(on_air);
}
