//! What the media engine tells the sessions.

use footlight_protocol::{MediaKind, SessionId, TrackSource, UserId};
use footlight_sfu::{CloseReason, PeerId, SfuEvent, Source};

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
        /// What the track comes from; where it shows nobody, the one before.
        source: TrackSource,
    },
    /// A subscriber has fewer slots of a kind than there are tracks for it. Told again when the numbers change.
    SlotsWanted {
        /// The viewer's connection.
        peer: PeerId,
        /// Audio tracks of others.
        audio: u32,
        /// Video tracks of others.
        video: u32,
    },
    /// Somebody speaks, or speaks at quite another level than was told.
    Speaking {
        /// The publisher's connection.
        peer: PeerId,
        /// Where.
        session: SessionId,
        /// Who.
        user: UserId,
        /// How loud, in dBov: −127 (silence) to 0 (RFC 6464 §3).
        level: i8,
    },
    /// Somebody does not speak any more.
    Silent {
        /// The publisher's connection. It may be closed already.
        peer: PeerId,
        /// Where.
        session: SessionId,
        /// Who.
        user: UserId,
    },
    /// How well a peer is connected has changed.
    Quality {
        /// Which.
        peer: PeerId,
        /// Its session.
        session: SessionId,
        /// Who it is.
        user: UserId,
        /// 0 (hardly there) to 4 (excellent).
        level: u8,
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

pub(super) fn source(source: Source) -> TrackSource {
    match source {
        Source::Camera => TrackSource::Camera,
        Source::Microphone => TrackSource::Microphone,
        Source::Screen => TrackSource::Screen,
        Source::ScreenAudio => TrackSource::ScreenAudio,
    }
}

/// A name of the wire in the core's words.
pub(super) fn core_source(source: TrackSource) -> Source {
    match source {
        TrackSource::Camera => Source::Camera,
        TrackSource::Microphone => Source::Microphone,
        TrackSource::Screen => Source::Screen,
        TrackSource::ScreenAudio => Source::ScreenAudio,
    }
}

/// The same for a kind.
pub(super) fn core_kind(kind: MediaKind) -> footlight_sfu::MediaKind {
    match kind {
        MediaKind::Audio => footlight_sfu::MediaKind::Audio,
        MediaKind::Video => footlight_sfu::MediaKind::Video,
    }
}

impl MediaEvent {
    /// The connection that it is about.
    pub fn peer(&self) -> PeerId {
        match self {
            Self::Connected { peer }
            | Self::Closed { peer, .. }
            | Self::TrackStarted { peer, .. }
            | Self::TrackStopped { peer, .. }
            | Self::SlotAssigned { peer, .. }
            | Self::SlotsWanted { peer, .. }
            | Self::Speaking { peer, .. }
            | Self::Silent { peer, .. }
            | Self::Quality { peer, .. }
            | Self::CodecUnsupported { peer, .. } => *peer,
        }
    }

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
                source: s,
                codec,
            } => Self::TrackStarted {
                peer,
                session: session.as_str().parse().ok()?,
                user: user.as_str().parse().ok()?,
                kind: kind(k),
                source: source(s),
                codec,
            },
            SfuEvent::TrackStopped {
                peer,
                session,
                user,
                kind: k,
                source: s,
                replaced,
            } => Self::TrackStopped {
                peer,
                session: session.as_str().parse().ok()?,
                user: user.as_str().parse().ok()?,
                kind: kind(k),
                source: source(s),
                replaced,
            },
            SfuEvent::SlotAssigned {
                peer,
                mid,
                user,
                kind: k,
                source: s,
            } => Self::SlotAssigned {
                peer,
                mid,
                user: user.and_then(|user| user.as_str().parse().ok()),
                kind: kind(k),
                source: source(s),
            },
            SfuEvent::SlotsWanted { peer, audio, video } => Self::SlotsWanted { peer, audio, video },
            SfuEvent::Speaking {
                peer,
                session,
                user,
                level,
            } => Self::Speaking {
                peer,
                session: session.as_str().parse().ok()?,
                user: user.as_str().parse().ok()?,
                level,
            },
            SfuEvent::Silent { peer, session, user } => Self::Silent {
                peer,
                session: session.as_str().parse().ok()?,
                user: user.as_str().parse().ok()?,
            },
            SfuEvent::Quality {
                peer,
                session,
                user,
                level,
            } => Self::Quality {
                peer,
                session: session.as_str().parse().ok()?,
                user: user.as_str().parse().ok()?,
                level,
            },
            SfuEvent::CodecUnsupported { peer, mid, codec } => Self::CodecUnsupported { peer, mid, codec },
            _ => return None,
        })
    }
}
