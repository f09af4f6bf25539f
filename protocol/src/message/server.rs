//! What the server sends, tagged by `type`, each with a `timestamp`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{
    ChatMessage, Connection, GuestRequest, MediaKind, Participant, Reaction, Role, SignalData, SignalType, TrackSource,
};
use crate::{IceServer, SessionId, SessionMode, Topology, UserId};

/// Why a session is over, for the words that the page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The host ended it.
    EndedByHost,
    /// The host left and did not come back, and there was no cohost to take over.
    HostLeft,
    /// Nobody was in it for too long.
    Idle,
    /// The server is going down; it may come back.
    ServerShutdown,
}

/// Server → client, with the time at which the server sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ServerMessage {
    /// What happened.
    #[serde(flatten)]
    pub event: ServerEvent,
    /// RFC 3339, UTC, to the millisecond.
    pub timestamp: String,
}

impl ServerMessage {
    /// Stamps `event` with the time `at`.
    pub fn new(event: ServerEvent, at: SystemTime) -> Self {
        Self {
            event,
            timestamp: humantime::format_rfc3339_millis(at).to_string(),
        }
    }
}

/// Server → client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "typescript", ts(optional_fields))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerEvent {
    /// First of all: who is here. Boxed, because it is many times as large as the others.
    CurrentParticipants(Box<Welcome>),
    /// Somebody came.
    UserJoined {
        /// Who.
        user_id: UserId,
        /// As shown.
        username: String,
        /// What this person may do.
        role: Role,
        /// People watching now.
        viewer_count: u32,
    },
    /// Somebody went.
    UserLeft {
        /// Who.
        user_id: UserId,
        /// As shown.
        username: String,
        /// People watching now.
        viewer_count: u32,
    },
    /// Somebody has another role from now on. In a big session only those on the stage are told of all.
    RoleChanged {
        /// Who.
        user_id: UserId,
        /// As shown.
        username: String,
        /// What this person may do now.
        role: Role,
        /// People watching now.
        viewer_count: u32,
    },
    /// The host is away and has this long to come back, before a cohost takes over or the session ends.
    HostAway {
        /// In seconds.
        grace_seconds: u32,
    },
    /// The host came back in time.
    HostBack,
    /// Somebody said something.
    ChatMessage {
        /// Unique within the session.
        message_id: String,
        /// Who.
        user_id: UserId,
        /// As shown.
        username: String,
        /// What this person may do.
        role: Role,
        /// Plain text, never markup.
        message: String,
    },
    /// A message is to be taken out of the chat.
    MessageDeleted {
        /// Which.
        message_id: String,
        /// The name of whoever did it.
        by: String,
    },
    /// All messages of one person are to be taken out of the chat.
    MessagesCleared {
        /// Whose.
        user_id: UserId,
        /// The name of whoever did it.
        by: String,
    },
    /// How long everybody but host and cohosts has to wait between two messages.
    SlowMode {
        /// 0: not at all.
        seconds: u32,
        /// The name of whoever did it.
        by: String,
    },
    /// Somebody reacted.
    Reaction {
        /// Who.
        user_id: UserId,
        /// As shown.
        username: String,
        /// How.
        reaction: Reaction,
    },
    /// Many reacted, in the last half a second.
    Reactions {
        /// How many of each.
        counts: BTreeMap<Reaction, u32>,
    },
    /// To host and cohosts: a viewer asks to come on the stage.
    GuestRequest {
        /// Who.
        user_id: UserId,
        /// As shown.
        username: String,
    },
    /// To host and cohosts: a request is answered, withdrawn, or its viewer gone.
    GuestRequestClosed {
        /// Whose.
        user_id: UserId,
    },
    /// To the one who asked: yes. Publishing is allowed from now on.
    GuestApproved {
        /// The name of whoever said so.
        approved_by: String,
    },
    /// To the one who asked: no.
    GuestRejected {
        /// The name of whoever said so.
        rejected_by: String,
    },
    /// A viewer came on the stage.
    GuestJoined {
        /// Who.
        user_id: UserId,
        /// As shown.
        username: String,
    },
    /// To the one concerned: your sound is not forwarded any more.
    ForceMuteAudio {
        /// The name of whoever did it.
        by: String,
    },
    /// To the one concerned: your camera and screen are not forwarded any more.
    ForceMuteVideo {
        /// The name of whoever did it.
        by: String,
    },
    /// To the one concerned: it would be again, if you turned it on.
    UnmuteAllowed {
        /// Audio or video.
        kind: MediaKind,
        /// The name of whoever did it.
        by: String,
    },
    /// To the one concerned, who is disconnected after it and may not come back.
    Kicked {
        /// The name of whoever did it.
        by: String,
        /// For people.
        reason: String,
    },
    /// To the one concerned: you may do more.
    Promoted {
        /// What you may do now.
        new_role: Role,
    },
    /// To the one concerned: you may do less.
    Demoted {
        /// What you may do now.
        new_role: Role,
    },
    /// Somebody turned a microphone or camera on or off, or had it turned off.
    ParticipantMediaChanged {
        /// Who.
        user_id: UserId,
        /// Whether the microphone is on and forwarded.
        audio_enabled: bool,
        /// Whether the camera is on and forwarded.
        video_enabled: bool,
        /// Whether a host or cohost turned the sound off.
        audio_muted: bool,
        /// Whether a host or cohost turned the picture off.
        video_muted: bool,
    },
    /// Who is being heard, loudest first; empty where nobody is.
    ActiveSpeakers {
        /// Them.
        user_ids: Vec<UserId>,
    },
    /// How well people are connected: 0 (hardly there) to 4 (excellent). Only what changed.
    ConnectionQuality {
        /// By the participant.
        levels: BTreeMap<UserId, u8>,
    },
    /// Somebody is on air.
    BroadcastStarted {
        /// Who.
        user_id: UserId,
        /// As shown.
        username: String,
    },
    /// Somebody is off air; the session goes on.
    BroadcastStopped {
        /// Who.
        user_id: UserId,
        /// As shown.
        username: String,
    },
    /// From the server's SFU, or from another participant of a session that is a mesh.
    WebrtcSignal {
        /// The session.
        session_id: SessionId,
        /// From the SFU: which of your two connections.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<Connection>,
        /// From another participant: who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from_user_id: Option<UserId>,
        /// The same, as shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from_username: Option<String>,
        /// You.
        to_user_id: UserId,
        /// What `signal_data` is.
        signal_type: SignalType,
        /// The description or the candidate.
        signal_data: SignalData,
    },
    /// A receive slot shows somebody, or (`user_id` null) nobody.
    SlotAssigned {
        /// The slot: the media section of your subscribe connection.
        mid: String,
        /// Whose track it carries.
        user_id: Option<UserId>,
        /// Audio or video.
        kind: MediaKind,
        /// Where the track comes from.
        source: TrackSource,
    },
    /// There are more tracks for you than your subscribe connection has slots: offer this many to get them all.
    SlotsWanted {
        /// Audio tracks of others.
        audio: u32,
        /// Video tracks of others.
        video: u32,
    },
    /// Camera mode has another background picture.
    BackgroundChanged {
        /// Its path at this server; `null` for none.
        background: Option<String>,
    },
    /// It is over.
    SessionEnded {
        /// Why.
        reason: EndReason,
    },
    /// To `ping`.
    Pong,
    /// Something you sent was not done.
    Error {
        /// For programs: `snake_case`, stable.
        code: String,
        /// For people: names what was wrong.
        message: String,
        /// The `action` it answers, where that could be read.
        action: Option<String>,
        /// Of a `webrtc_signal`: which of your two connections it was about, where that could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<Connection>,
    },
}

/// What somebody who comes in is told of the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Welcome {
    /// Yourself.
    pub you: Participant,
    /// Everybody, yourself included. Viewers are listed up to a limit; `viewer_count` is exact.
    pub participants: Vec<Participant>,
    /// People watching.
    pub viewer_count: u32,
    /// Voice, camera or studio.
    pub mode: SessionMode,
    /// How media travels.
    pub topology: Topology,
    /// Shown above the picture.
    pub title: String,
    /// When it went live, RFC 3339; `null` while nobody is on air.
    pub started_at: Option<String>,
    /// Brings you back to the same place after your connection was lost: `resume_token` in the address of the next one. A
    /// secret. Good for [`RESUME_SECONDS`](crate::RESUME_SECONDS) after the loss.
    pub resume_token: String,
    /// The last [`CHAT_HISTORY`](crate::CHAT_HISTORY) messages, oldest first.
    pub chat_history: Vec<ChatMessage>,
    /// Who asks to come on the stage; for host and cohosts, empty for others.
    pub guest_requests: Vec<GuestRequest>,
    /// See `slow_mode`.
    pub slow_mode_seconds: u32,
    /// People who may be on the stage beside the host.
    pub guest_limit: u32,
    /// Path of the background picture in camera mode; `null` where there is none.
    pub background: Option<String>,
    /// STUN and TURN servers, with credentials for this participant: for connections with other participants in a session
    /// that is a mesh, and for those with the server where nothing else gets through a firewall.
    #[serde(default)]
    pub ice_servers: Vec<IceServer>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_tagged_by_type_and_stamped() {
        let message = ServerMessage::new(ServerEvent::Pong, SystemTime::UNIX_EPOCH);
        assert_eq!(
            serde_json::to_value(message).expect("serialises"),
            json!({"type": "pong", "timestamp": "1970-01-01T00:00:00.000Z"})
        );
    }
}
