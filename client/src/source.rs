//! What can be captured from, and how a source is doing.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::{
    devices::DeviceChoice,
    video::capture::{CaptureError, CaptureRequest, VideoCapture},
};

/// Where the picture comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoSource {
    /// A camera.
    Camera(DeviceChoice),
    /// A screen (feature `screen`).
    Screen(DeviceChoice),
    /// The test pattern, see [`crate::video::pattern`].
    Pattern,
    /// A source of the program's own.
    Custom(CustomVideo),
}

/// Opens a source; called again, from a thread of its own, when it was lost.
type OpenCustom = dyn Fn(CaptureRequest) -> Result<Box<dyn VideoCapture>, CaptureError> + Send + Sync;

/// A source of pictures that the program brings along. It is captured, watched and reopened as a camera is.
#[derive(Clone)]
pub struct CustomVideo {
    name: String,
    open: Arc<OpenCustom>,
}

impl CustomVideo {
    /// `name` is used in errors until the source has opened and tells its own.
    pub fn new(
        name: impl Into<String>,
        open: impl Fn(CaptureRequest) -> Result<Box<dyn VideoCapture>, CaptureError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            open: Arc::new(open),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn open(&self, request: CaptureRequest) -> Result<Box<dyn VideoCapture>, CaptureError> {
        (self.open)(request)
    }
}

impl std::fmt::Debug for CustomVideo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomVideo")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The same source, and not one that only looks like it.
impl PartialEq for CustomVideo {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.open, &other.open)
    }
}

impl Eq for CustomVideo {}

/// Where the sound comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioSource {
    /// A microphone.
    Microphone(DeviceChoice),
    /// The test tone, see [`crate::audio::tone`].
    Tone,
}

/// How a source is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SourceState {
    /// Opened, nothing has come out yet.
    #[default]
    Starting,
    /// Delivering.
    Live,
    /// Gone or stalled; the pipeline shows a card or sends silence, and keeps trying to reopen it.
    Lost {
        /// What happened, for people.
        why: String,
    },
    /// Gone for good, as a window that was closed; the pipeline goes on with a card.
    Gone {
        /// What happened, for people.
        why: String,
    },
}

/// A source's state, shared between the threads that change it and those that look.
#[derive(Debug, Clone, Default)]
pub(crate) struct StateCell(Arc<Mutex<SourceState>>);

impl StateCell {
    pub(crate) fn get(&self) -> SourceState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Called for each picture or packet: writes, and logs, only when something changed.
    pub(crate) fn set_live(&self, name: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != SourceState::Live {
            tracing::info!(source = name, "source is live");
            *state = SourceState::Live;
        }
    }

    /// Keeps the first reason while the source stays lost, since later ones only say that it is still away.
    pub(crate) fn set_lost(&self, name: &str, why: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, SourceState::Lost { .. } | SourceState::Gone { .. }) {
            tracing::warn!(source = name, why, "source is lost");
            *state = SourceState::Lost { why: why.to_owned() };
        }
    }

    /// It does not come back.
    pub(crate) fn set_gone(&self, name: &str, why: &str) {
        tracing::info!(source = name, why, "source is gone");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = SourceState::Gone { why: why.to_owned() };
    }

    /// Whether nothing comes of it, be it for now or for ever.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.get(), SourceState::Lost { .. } | SourceState::Gone { .. })
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.get(), SourceState::Gone { .. })
    }
}
