//! What the core tells the application.

use std::fmt;

use str0m::media::MediaKind;

use crate::{PeerId, SessionId, Source, UserId};

/// Something happened to a peer, a track or a slot of this worker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SfuEvent {
    /// ICE and DTLS are through: media can flow.
    Connected {
        /// Which.
        peer: PeerId,
    },
    /// The peer is gone and everything of it freed.
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
        /// Where it comes from.
        source: Source,
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
        /// Where it came from.
        source: Source,
        /// A newer connection of the same user takes over: viewers keep their slots.
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
        /// Where the track comes from; where it shows nobody, the one before.
        source: Source,
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
        /// The publisher's connection.
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

/// Why a peer is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The application asked for it.
    Requested,
    /// The remote closed DTLS.
    Remote,
    /// No ICE consent for 15 s (RFC 7675 asks for 30 at most), nor media from a publisher.
    IceTimeout,
    /// It did not connect within [`CONNECT_TIMEOUT`](crate::CONNECT_TIMEOUT).
    NeverConnected,
    /// A newer publish connection of the same user took over.
    Replaced,
    /// The engine gave up, for instance on a certificate that does not match its fingerprint.
    Failed,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "closed by the server",
            Self::Remote => "closed by the remote",
            Self::IceTimeout => "nothing heard for 15 s",
            Self::NeverConnected => "never connected",
            Self::Replaced => "replaced by a newer connection",
            Self::Failed => "the connection failed",
        })
    }
}
