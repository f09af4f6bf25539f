//! What a worker knows of a session: who publishes and which tracks there are on any worker, and who watches on this
//! one.

use std::time::Instant;

use crate::relay::Publisher;
use crate::{PeerId, Source, TrackId, UserId};

#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) publishers: Vec<Publisher>,
    /// In the order of publishing.
    pub(crate) tracks: Vec<TrackId>,
    /// Connected subscribe peers of this worker.
    pub(crate) subscribers: Vec<PeerId>,
    /// Who speaks, on any worker.
    pub(crate) speaking: Vec<UserId>,
    /// When this worker last said who speaks.
    pub(crate) speech_told_at: Option<Instant>,
}

impl Session {
    pub(crate) fn is_empty(&self) -> bool {
        self.publishers.is_empty() && self.tracks.is_empty() && self.subscribers.is_empty()
    }

    /// Whether `user` has a publish connection for `source`, perhaps one that is still being made.
    pub(crate) fn awaits(&self, user: &UserId, source: Source) -> bool {
        let mut of_user = self.publishers.iter().filter(|publisher| publisher.user == *user);
        of_user.any(|publisher| publisher.sources.contains(&source))
    }
}
