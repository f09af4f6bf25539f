//! What somebody shows and says in an application: sources that are opened, previewed and changed one by one, and the
//! connection on which they go on air.
//!
//! ```text
//! camera     ─ Pipeline ─ Carrier ─┐
//! microphone ─ Pipeline ─ Carrier ─┼─▶ Peer ─▶ server
//! screen     ─ Pipeline ─ Carrier ─┘
//! ```
//!
//! **What it is not.** It knows no room and no server: whoever owns the room carries offers and answers, decides when to connect again,
//! and says who may speak. [`publish`](crate::publish) is the same for a program that is alone with its terminal.
//!
//! **Invariant to keep.** A source keeps its track for as long as a connection lasts, whatever device is behind it. All sources run on
//! one clock, so that lips match.

mod connection;
mod share;
mod source;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use footlight_protocol::TrackSource;
use serde::Serialize;
use tokio::sync::watch;

pub use connection::{Connection, ConnectionError, ConnectionState, ConnectionStats, Offer};
pub use source::{SourceConfig, SourceStats};

use crate::{
    clock::MediaClock,
    pipeline::{PipelineError, Preview},
    record::{Intake, RecordError, Recording, RecordingState},
    subscribe::FarEnd,
    units::Resolution,
};
use source::Source;

/// Why something could not be done in a studio.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudioError {
    /// A device or a codec.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// Sound was asked for from a camera or screen, or a picture from a microphone.
    #[error("a {wanted} cannot come from a {place:?}")]
    WrongKind {
        /// `picture` or `sound`.
        wanted: &'static str,
        /// Where it should have come from.
        place: TrackSource,
    },
    /// The source was never opened, or was closed.
    #[error("{0:?} is not open")]
    NotOpen(TrackSource),
    /// The folder cannot be written to.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// It was asked for twice.
    #[error("a recording is running already")]
    Recording,
}

/// The sources, and who is connected to them.
#[derive(Debug)]
pub struct Studio {
    clock: MediaClock,
    far_end: FarEnd,
    sources: Mutex<BTreeMap<Place, Arc<Source>>>,
    recording: Mutex<Option<Recording>>,
    /// A source was opened where there was none.
    opened: watch::Sender<()>,
}

/// [`TrackSource`] in the order of the sections it is offered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u8);

impl From<TrackSource> for Place {
    fn from(source: TrackSource) -> Self {
        Self(match source {
            TrackSource::Microphone => 0,
            TrackSource::Camera => 1,
            TrackSource::Screen => 2,
            TrackSource::ScreenAudio => 3,
        })
    }
}

/// A studio's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StudioStats {
    /// Of each open source.
    pub sources: Vec<SourceStats>,
    /// Peak level of the microphone over the last 100 ms in dBFS, measured before mute; none for silence, or without a microphone.
    pub level_dbfs: Option<f32>,
}

/// A file has one picture and one sound; a screen is beside them.
fn is_recorded(place: TrackSource) -> bool {
    matches!(place, TrackSource::Camera | TrackSource::Microphone)
}

/// Levels below this are silence: half a step of 16-bit sound.
const SILENCE_DBFS: f32 = -96.0;

impl Default for Studio {
    fn default() -> Self {
        Self::new()
    }
}

impl Studio {
    /// An empty studio, whose clock begins to run.
    pub fn new() -> Self {
        Self {
            clock: MediaClock::start(),
            far_end: FarEnd::default(),
            sources: Mutex::default(),
            recording: Mutex::default(),
            opened: watch::Sender::new(()),
        }
    }

    /// What is played where the studio is: whatever is added to it is taken out of what the microphone hears, where that
    /// source wants it.
    pub fn far_end(&self) -> &FarEnd {
        &self.far_end
    }

    /// Opens a source, or changes what is open there, which on air is seen as a short freeze. Blocks until the device has answered, at
    /// most some seconds. On an error the old source stays, unless it had to be let go for the new one to open; then it is tried again.
    ///
    /// Must be called within a tokio runtime, where blocking is allowed.
    pub fn open(&self, place: TrackSource, config: SourceConfig) -> Result<SourceStats, StudioError> {
        config.check(place)?;
        let open = self.lock().get(&place.into()).cloned();
        if let Some(open) = open {
            open.change(config)?;
            return Ok(open.stats());
        }
        let source = Arc::new(Source::open(place, self.clock, self.far_end.clone(), config)?);
        let stats = source.stats();
        // Held until it is among the sources: a recording that is stopped meanwhile would not find it.
        let recording = self.recording();
        if let Some(recording) = recording.as_ref().filter(|_| is_recorded(place)) {
            source.copy(Some(recording.intake()));
        }
        let before = self.lock().insert(place.into(), source);
        drop(recording);
        // As in closing.
        drop(before);
        self.opened.send_replace(());
        Ok(stats)
    }

    /// Lets a device go. On air its track falls silent until another one is opened in its place, or the next offer leaves it out.
    pub fn close(&self, place: TrackSource) {
        let closed = self.lock().remove(&place.into());
        // Closing a device can take a while: not while the lock is held.
        drop(closed);
    }

    /// Sends the source, or silence or a card in its place.
    pub fn set_on(&self, place: TrackSource, on: bool) -> Result<(), StudioError> {
        self.source(place)?.set_on(on);
        Ok(())
    }

    /// Small copies of a source's pictures; see [`Pipeline::preview`](crate::pipeline::Pipeline::preview).
    pub fn preview(&self, place: TrackSource, bounds: Resolution) -> Result<Preview, StudioError> {
        self.source(place)?.preview(bounds)
    }

    /// What is open now.
    pub fn places(&self) -> Vec<TrackSource> {
        self.lock().values().map(|source| source.place()).collect()
    }

    /// Keeps what camera and microphone send in files in `folder` whose names begin with `name`, from now on, whenever it is sent.
    pub fn record(&self, folder: &Path, name: &str) -> Result<(), StudioError> {
        let mut recording = self.recording();
        if recording.is_some() {
            return Err(StudioError::Recording);
        }
        let is_open = |place| self.source(place).is_ok();
        let (picture, sound) = (is_open(TrackSource::Camera), is_open(TrackSource::Microphone));
        let started = Recording::start(folder, name, picture, sound)?;
        self.copy_to(Some(&started.intake()));
        *recording = Some(started);
        Ok(())
    }

    /// How the recording is doing; none while there is none.
    pub fn recorded(&self) -> Option<RecordingState> {
        self.recording().as_ref().map(Recording::state)
    }

    /// Ends the recording and closes its files. Blocks for as long as the disk takes.
    pub fn stop_recording(&self) -> Option<RecordingState> {
        let stopped = {
            let mut recording = self.recording();
            self.copy_to(None);
            recording.take()
        };
        stopped.map(Recording::finish)
    }

    fn copy_to(&self, intake: Option<&Intake>) {
        let sources: Vec<Arc<Source>> = self.lock().values().cloned().collect();
        for source in sources.iter().filter(|source| is_recorded(source.place())) {
            source.copy(intake.cloned());
        }
    }

    fn recording(&self) -> MutexGuard<'_, Option<Recording>> {
        // As for the sources.
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the sources are doing.
    pub fn stats(&self) -> StudioStats {
        let sources: Vec<Arc<Source>> = self.lock().values().cloned().collect();
        let level = sources
            .iter()
            .find(|source| source.place() == TrackSource::Microphone)
            .map(|microphone| microphone.level());
        StudioStats {
            sources: sources.iter().map(|source| source.stats()).collect(),
            level_dbfs: level.filter(|level| *level > SILENCE_DBFS),
        }
    }

    fn source(&self, place: TrackSource) -> Result<Arc<Source>, StudioError> {
        self.lock()
            .get(&place.into())
            .cloned()
            .ok_or(StudioError::NotOpen(place))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Arc<Source>>> {
        // Nothing that can panic runs under this lock.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
