//! What the media engine tells the sessions.

use footlight_protocol::{MediaKind, SessionId, TrackSource, UserId};
use footlight_sfu::{CloseReason, PeerId, SfuEvent};

/// Something happened to a peer, a track or a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// Media can flow.
    Connected {
        /// Which.
        peer: PeerId,
    },
    /// The peer is gone.
    Closed {
        /// Which.
        peer: PeerId,
        /// Why.
        reason: CloseReason,
    },
    /// The first packet of a track came in.
    TrackStarted {
        /// Its publisher's connection.
        peer: PeerId,
        /// Where it is shown.
        session: SessionId,
        /// Whose it is.
        user: UserId,
        /// Audio or video.
        kind: MediaKind,
        /// What it comes from.
        source: TrackSource,
        /// As in SDP.
        codec: &'static str,
    },
    /// A track is gone.
    TrackStopped {
        /// Its publisher's connection.
        peer: PeerId,
        /// Where it was shown.
        session: SessionId,
        /// Whose it was.
        user: UserId,
        /// Audio or video.
        kind: MediaKind,
        /// What it came from.
        source: TrackSource,
        /// A newer connection of the same user takes over; viewers keep their slots.
        replaced: bool,
    },
    /// A slot shows somebody else, or nobody.
    SlotAssigned {
        /// The viewer's connection.
        peer: PeerId,
        /// The slot.
        mid: String,
        /// Whom it shows.
        user: Option<UserId>,
        /// Audio or video.
        kind: MediaKind,
        /// What the track comes from.
        source: TrackSource,
    },
    /// A slot stays dark because its viewer did not offer the codec.
    CodecUnsupported {
        /// The viewer's connection.
        peer: PeerId,
        /// The slot.
        mid: String,
        /// As in SDP.
        codec: &'static str,
    },
}

pub(super) fn kind(kind: footlight_sfu::MediaKind) -> MediaKind {
    if kind.is_audio() {
        MediaKind::Audio
    } else {
        MediaKind::Video
    }
}

pub(super) fn source(kind: MediaKind) -> TrackSource {
    match kind {
        MediaKind::Audio => TrackSource::Microphone,
        MediaKind::Video => TrackSource::Camera,
    }
}

impl MediaEvent {
    /// The core's event in the words of the wire. `None` for names that are no ids, which cannot come back from a core
    /// that was only given ids.
    pub(super) fn from_sfu(event: SfuEvent) -> Option<Self> {
        Some(match event {
            SfuEvent::Connected { peer } => Self::Connected { peer },
            SfuEvent::Closed { peer, reason } => Self::Closed { peer, reason },
            SfuEvent::TrackStarted {
                peer,
                session,
                user,
                kind: k,
                codec,
            } => Self::TrackStarted {
                peer,
                session: session.as_str().parse().ok()?,
                user: user.as_str().parse().ok()?,
                kind: kind(k),
                source: source(kind(k)),
                codec,
            },
            SfuEvent::TrackStopped {
                peer,
                session,
                user,
                kind: k,
                replaced,
            } => Self::TrackStopped {
                peer,
                session: session.as_str().parse().ok()?,
                user: user.as_str().parse().ok()?,
                kind: kind(k),
                source: source(kind(k)),
                replaced,
            },
            SfuEvent::SlotAssigned {
                peer,
                mid,
                user,
                kind: k,
            } => Self::SlotAssigned {
                peer,
                mid,
                user: user.and_then(|user| user.as_str().parse().ok()),
                kind: kind(k),
                source: source(kind(k)),
            },
            SfuEvent::CodecUnsupported { peer, mid, codec } => Self::CodecUnsupported { peer, mid, codec },
            _ => return None,
        })
    }
}
