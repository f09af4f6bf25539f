//! Somebody in a room.

use std::collections::BTreeMap;
use std::time::Instant;

use footlight_protocol::{MediaKind, Participant, Role, ServerEvent, UserId};

use super::chat::Allowance;
use super::influence::Influence;
use crate::media::Muted;

/// What somebody can be recognised by, as an opaque number: who made it knows what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Badge(pub u64);

/// By what a stranger is recognised who comes back under another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Badges {
    /// The browser. Whoever is sent away stays away with it.
    pub visitor: Option<Badge>,
    /// The network address. It may be shared with others, and so only a ban holds against it.
    pub address: Option<Badge>,
    /// Who the token says that this is. A player by WHEP has another name in the room with each connection, and this one
    /// always; whoever is sent away stays away with it.
    pub bearer: Option<Badge>,
}

impl Badges {
    /// By what somebody is taken for the same person who comes in anew: the token or, without one, the address.
    pub(super) fn returning(self) -> Option<Badge> {
        self.bearer.or(self.address)
    }
}

/// How well somebody's two connections work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Quality {
    pub(super) publish: Option<u8>,
    pub(super) subscribe: Option<u8>,
}

impl Quality {
    /// That of the worse one: it is the one that hurts.
    pub(super) fn overall(self) -> Option<u8> {
        match (self.publish, self.subscribe) {
            (Some(up), Some(down)) => Some(up.min(down)),
            (one, other) => one.or(other),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) user: UserId,
    pub(super) username: String,
    pub(super) role: Role,
    pub(super) badges: Badges,
    /// Brings its owner back; `None` for those without a WebSocket, who cannot be lost and come back.
    pub(super) resume_token: Option<String>,
    /// When the connection was lost, where it was.
    pub(super) away_since: Option<Instant>,
    /// Counts up with each member: who came first takes over first.
    pub(super) rank: u64,
    pub(super) audio_enabled: bool,
    pub(super) video_enabled: bool,
    pub(super) muted: Muted,
    /// The highest role that is left to whoever was demoted.
    pub(super) ceiling: Option<Role>,
    /// Whether it is there by what it sends without a WebSocket (WHIP), and goes with that.
    pub(super) publishes_alone: bool,
    pub(super) quality: Quality,
    pub(super) allowance: Allowance,
    /// How many more signals each of the others may be sent, in a mesh. Those to whom nothing was sent for a while are not
    /// in it.
    pub(super) signals: BTreeMap<UserId, Influence>,
}

impl Member {
    pub(super) fn new(user: UserId, username: String, role: Role, rank: u64, now: Instant) -> Self {
        Self {
            user,
            username,
            role,
            badges: Badges::default(),
            resume_token: None,
            away_since: None,
            rank,
            audio_enabled: false,
            video_enabled: false,
            muted: Muted::default(),
            ceiling: None,
            publishes_alone: false,
            quality: Quality::default(),
            allowance: Allowance::new(now),
            signals: BTreeMap::new(),
        }
    }

    pub(super) fn is_here(&self) -> bool {
        self.away_since.is_none()
    }

    pub(super) fn is_on_stage(&self) -> bool {
        self.role != Role::Viewer
    }

    pub(super) fn moderates(&self) -> bool {
        self.role >= Role::Cohost
    }

    pub(super) fn is_muted(&self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Audio => self.muted.audio,
            MediaKind::Video => self.muted.video,
        }
    }

    pub(super) fn participant(&self, on_air: bool) -> Participant {
        Participant {
            user_id: self.user.clone(),
            username: self.username.clone(),
            role: self.role,
            audio_enabled: self.audio_enabled && !self.muted.audio,
            video_enabled: self.video_enabled && !self.muted.video,
            audio_muted: self.muted.audio,
            video_muted: self.muted.video,
            on_air,
            connection_quality: self.quality.overall(),
        }
    }

    pub(super) fn media_changed(&self) -> ServerEvent {
        ServerEvent::ParticipantMediaChanged {
            user_id: self.user.clone(),
            audio_enabled: self.audio_enabled && !self.muted.audio,
            video_enabled: self.video_enabled && !self.muted.video,
            audio_muted: self.muted.audio,
            video_muted: self.muted.video,
        }
    }
}
