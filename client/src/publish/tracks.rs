//! Which of the two tracks are on, who turned them off, and who may turn them on again.

use std::sync::Arc;

use footlight_protocol::{MediaKind, Participant};
use tokio::sync::watch;

use crate::pipeline::Pipeline;

/// What is named in place of whoever muted a track, where the server does not say who it was.
const SOMEBODY: &str = "the host";

/// One track, as its owner and the room want it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Track {
    /// Whether there is a source for it at all.
    pub(crate) present: bool,
    /// Whether its owner wants it to be heard or seen.
    pub(crate) on: bool,
    /// Who in the room does not allow that.
    pub(crate) muted_by: Option<String>,
}

impl Track {
    fn new(present: bool) -> Self {
        Self {
            present,
            on: present,
            muted_by: None,
        }
    }

    fn turn(&mut self, on: bool) -> Result<(), MutedBy> {
        match (on && self.present, &self.muted_by) {
            (true, Some(by)) => Err(MutedBy(by.clone())),
            (on, _) => {
                self.on = on;
                Ok(())
            }
        }
    }

    /// Being allowed again does not turn it on: whether a microphone is open is its owner's decision alone.
    fn follow(&mut self, muted: bool) {
        match (muted, &self.muted_by) {
            (true, None) => self.mute(SOMEBODY.to_owned()),
            (false, Some(_)) => self.muted_by = None,
            _ => {}
        }
    }

    fn mute(&mut self, by: String) {
        self.on = false;
        self.muted_by = Some(by);
    }
}

/// A host or cohost has turned the track off, and has not allowed it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("turned off by {0}, who has to allow it again first")]
pub struct MutedBy(
    /// The name of whoever did it.
    pub String,
);

/// Both tracks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TrackStates {
    pub(crate) audio: Track,
    pub(crate) video: Track,
}

impl TrackStates {
    fn of(&mut self, kind: MediaKind) -> &mut Track {
        match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        }
    }
}

/// Both tracks and the pipeline that carries them. What this says is what the pipeline does.
#[derive(Debug)]
pub(crate) struct Tracks {
    pipeline: Arc<Pipeline>,
    states: watch::Sender<TrackStates>,
}

impl Tracks {
    pub(crate) fn new(pipeline: Arc<Pipeline>, has_video: bool, has_audio: bool) -> Self {
        Self {
            pipeline,
            states: watch::Sender::new(TrackStates {
                audio: Track::new(has_audio),
                video: Track::new(has_video),
            }),
        }
    }

    /// As they are now, and each change.
    pub(crate) fn watch(&self) -> watch::Receiver<TrackStates> {
        self.states.subscribe()
    }

    /// As they are now.
    pub(crate) fn states(&self) -> TrackStates {
        self.states.borrow().clone()
    }

    /// Its owner turns a track on or off.
    pub(crate) fn turn(&self, kind: MediaKind, on: bool) -> Result<(), MutedBy> {
        self.change(|states| states.of(kind).turn(on))
    }

    /// Somebody who may has turned a track off.
    pub(crate) fn mute(&self, kind: MediaKind, by: String) {
        self.change(|states| states.of(kind).mute(by));
    }

    /// It may be turned on again.
    pub(crate) fn allow(&self, kind: MediaKind) {
        self.change(|states| states.of(kind).follow(false));
    }

    /// Takes over what the room knows of us, as it is told at each joining.
    pub(crate) fn follow(&self, you: &Participant) {
        self.change(|states| {
            states.audio.follow(you.audio_muted);
            states.video.follow(you.video_muted);
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut TrackStates) -> T) -> T {
        let mut result = None;
        self.states.send_if_modified(|states| {
            let before = states.clone();
            result = Some(change(states));
            self.pipeline.set_muted(!states.audio.on);
            self.pipeline.set_hidden(!states.video.on);
            *states != before
        });
        result.expect("the closure above is always called")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{PipelineConfig, VideoSource};
    use crate::units::Resolution;

    fn tracks() -> (Arc<Pipeline>, Tracks) {
        let config = PipelineConfig {
            video: Some(VideoSource::Pattern),
            audio: Some(crate::pipeline::AudioSource::Tone),
            size: Resolution::new(160, 96),
            ..PipelineConfig::default()
        };
        let pipeline = Arc::new(Pipeline::start(config).expect("starts").0);
        (Arc::clone(&pipeline), Tracks::new(pipeline, true, true))
    }

    #[test]
    fn what_the_host_turned_off_stays_off_until_it_is_allowed_and_then_turned_on() {
        let (pipeline, tracks) = tracks();
        tracks.mute(MediaKind::Audio, "Ann".to_owned());
        assert!(pipeline.muted() && !pipeline.hidden(), "the sound, and not the picture");
        assert_eq!(tracks.turn(MediaKind::Audio, true), Err(MutedBy("Ann".to_owned())));
        assert!(pipeline.muted());
        tracks.allow(MediaKind::Audio);
        assert!(pipeline.muted(), "nobody's microphone is opened by somebody else");
        tracks.turn(MediaKind::Audio, true).expect("allowed");
        assert!(!pipeline.muted());
    }

    #[test]
    fn a_mute_that_was_missed_is_learned_at_the_next_joining() {
        let (pipeline, tracks) = tracks();
        let you = |video_muted| Participant {
            user_id: "u".parse().expect("an id"),
            username: "Ben".to_owned(),
            role: footlight_protocol::Role::Guest,
            audio_enabled: true,
            video_enabled: true,
            audio_muted: false,
            video_muted,
            on_air: true,
            connection_quality: None,
        };
        tracks.follow(&you(true));
        assert!(pipeline.hidden());
        let refused = tracks.turn(MediaKind::Video, true).expect_err("muted");
        assert!(refused.to_string().contains("the host"), "{refused}");
        tracks.mute(MediaKind::Video, "Ann".to_owned());
        tracks.follow(&you(true));
        assert_eq!(
            tracks.turn(MediaKind::Video, true),
            Err(MutedBy("Ann".to_owned())),
            "a name that is known stays"
        );
        tracks.follow(&you(false));
        tracks.turn(MediaKind::Video, true).expect("allowed again");
        assert!(!pipeline.hidden());
    }
}
