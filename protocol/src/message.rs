//! The WebSocket `/ws/live/{session_id}`: what a client sends (tagged by `action`) and what the server sends (tagged by
//! `type`, each with a `timestamp`).

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{IceServer, SessionId, SessionMode, Topology, UserId};

/// Largest WebSocket frame of a client, in bytes. A larger one closes the connection with 1009 (RFC 6455 §7.4.1).
pub const MAX_FRAME_BYTES: usize = 64 * 1024;

/// Largest WebSocket frame of the server, in bytes: [`CHAT_HISTORY`] messages of [`MAX_CHAT_CHARS`] four-byte characters
/// are 400 KB.
pub const MAX_SERVER_FRAME_BYTES: usize = 1024 * 1024;

/// Longest display name, in characters; what follows is cut.
pub const MAX_USERNAME_CHARS: usize = 40;

/// How long after its connection was lost a participant's place is kept, in seconds.
pub const RESUME_SECONDS: u64 = 30;

/// The display name of somebody who gave none.
pub const ANONYMOUS: &str = "Anonymous";

/// Longest chat message, in characters. A longer one is refused.
pub const MAX_CHAT_CHARS: usize = 500;

/// Chat messages that somebody who joins is given.
pub const CHAT_HISTORY: usize = 200;

/// Longest slow mode, in seconds.
pub const MAX_SLOW_MODE_SECONDS: u32 = 600;

/// What somebody may do in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Watches.
    Viewer,
    /// Is on the stage as well.
    Guest,
    /// Moderates as well, and takes over where the host does not come back.
    Cohost,
    /// Owns the session.
    Host,
}

/// Somebody in a session.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own on the wire")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Participant {
    /// Within the session.
    pub user_id: UserId,
    /// As shown.
    pub username: String,
    /// What this person may do.
    pub role: Role,
    /// Whether the microphone is on, as this person says, and forwarded.
    #[serde(default)]
    pub audio_enabled: bool,
    /// The same for the camera.
    #[serde(default)]
    pub video_enabled: bool,
    /// A host or cohost turned the sound off: nothing of it is forwarded until one of them turns it on again.
    #[serde(default)]
    pub audio_muted: bool,
    /// The same for camera and screen.
    #[serde(default)]
    pub video_muted: bool,
    /// Whether media of this person's reaches the server.
    #[serde(default)]
    pub on_air: bool,
    /// 0 (hardly there) to 4 (excellent), of loss, jitter and round-trip time; `null` while nothing has been measured.
    #[serde(default)]
    pub connection_quality: Option<u8>,
}

/// One message of the chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ChatMessage {
    /// Unique within the session.
    pub message_id: String,
    /// Whose it is.
    pub user_id: UserId,
    /// As shown when it was written.
    pub username: String,
    /// At that time.
    pub role: Role,
    /// Plain text, never markup.
    pub message: String,
    /// RFC 3339, UTC, to the millisecond.
    pub timestamp: String,
}

/// A viewer who asks to come on the stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct GuestRequest {
    /// Who.
    pub user_id: UserId,
    /// As shown.
    pub username: String,
}

/// The reactions that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Reaction {
    /// A red heart.
    #[serde(rename = "❤️")]
    Heart,
    /// A fire.
    #[serde(rename = "🔥")]
    Fire,
    /// A thumb up.
    #[serde(rename = "👍")]
    ThumbsUp,
    /// An open mouth.
    #[serde(rename = "😮")]
    Surprise,
}

/// What a host or cohost does to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ParticipantAction {
    /// Stop this person's sound at the server.
    MuteAudio,
    /// Let it through again. Whether the microphone is on remains this person's choice.
    UnmuteAudio,
    /// Stop camera and screen at the server.
    MuteVideo,
    /// Let them through again.
    UnmuteVideo,
    /// Send away, for as long as the session lasts.
    Kick,
    /// One role up: viewer, guest, cohost.
    Promote,
    /// One role down.
    Demote,
    /// Send away, and nobody else from the same network address may come as a stranger either.
    Ban,
}

/// The two WebRTC connections that a participant may have with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// Media to the server.
    Publish,
    /// Media from the server.
    Subscribe,
}

/// What a [`SignalData`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SignalType {
    /// From the client: it always offers.
    Offer,
    /// From the server: it always answers.
    Answer,
    /// Trickled (RFC 8838).
    IceCandidate,
}

/// The payload of a `webrtc_signal`, in the shapes that browsers use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(untagged)]
pub enum SignalData {
    /// `RTCSessionDescriptionInit`; its `type` is implied by [`SignalType`] and may be left out.
    Description(SessionDescription),
    /// `RTCIceCandidateInit`.
    Candidate(IceCandidate),
}

/// `RTCSessionDescriptionInit` without its `type` (W3C WebRTC §4.6.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct SessionDescription {
    /// RFC 8866.
    pub sdp: String,
}

/// `RTCIceCandidateInit` (W3C WebRTC §4.8.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "typescript", ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct IceCandidate {
    /// RFC 8839 §5.1; empty at the end of candidates.
    pub candidate: String,
    /// The media section it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// The same, counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_m_line_index: Option<u16>,
}

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Picture.
    Video,
}

/// Where a track comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum TrackSource {
    /// A camera, or what stands in for one.
    Camera,
    /// A microphone, or what stands in for one.
    Microphone,
    /// A shared screen, window or tab.
    Screen,
    /// Its sound.
    ScreenAudio,
}

/// Client → server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "typescript", ts(optional_fields))]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Answered by `pong`.
    Ping,
    /// Accepted and ignored.
    KeepAlive,
    /// Says something to everybody. Blank ones are skipped in silence.
    Chat {
        /// At most [`MAX_CHAT_CHARS`] characters.
        message: String,
    },
    /// Takes a message out of everybody's chat.
    DeleteMessage {
        /// Which.
        message_id: String,
    },
    /// Takes all messages of one person out of everybody's chat.
    ClearMessages {
        /// Whose.
        target_user_id: UserId,
    },
    /// Sets how long everybody but host and cohosts has to wait between two messages.
    SlowMode {
        /// 0 turns it off; at most [`MAX_SLOW_MODE_SECONDS`].
        seconds: u32,
    },
    /// Shows how one feels.
    Reaction {
        /// One of the four.
        reaction: Reaction,
    },
    /// Asks to come on the stage.
    RequestGuest,
    /// Does not ask any more.
    WithdrawRequest,
    /// Answers somebody who asked.
    RespondGuest {
        /// Who asked.
        target_user_id: UserId,
        /// Whether that person may come on the stage.
        approved: bool,
    },
    /// Does something to somebody.
    ParticipantAction {
        /// To whom.
        target_user_id: UserId,
        /// What.
        action_type: ParticipantAction,
    },
    /// Says what one sends.
    UpdateMediaStatus {
        /// Whether the microphone is on.
        audio_enabled: bool,
        /// Whether the camera is on.
        video_enabled: bool,
    },
    /// Goes on air, where media has not said so already.
    StartBroadcast,
    /// Goes off air; the session goes on.
    StopBroadcast,
    /// Ends the session for everybody.
    EndSession,
    /// For the server's SFU, or for another participant of a session that is a mesh.
    WebrtcSignal {
        /// In a mesh: to whom.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to_user_id: Option<UserId>,
        /// Without `to_user_id`: which of the participant's two connections with the server.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<Connection>,
        /// What `signal_data` is.
        signal_type: SignalType,
        /// The description or the candidate.
        signal_data: SignalData,
        /// With an offer that publishes: where the tracks come from, by the media section. Without it the first video is
        /// a camera, the first audio a microphone, the next ones a screen and its sound.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sources: Option<BTreeMap<String, TrackSource>>,
    },
}

impl ClientMessage {
    /// The `action` that it is tagged by.
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::KeepAlive => "keep_alive",
            Self::Chat { .. } => "chat",
            Self::DeleteMessage { .. } => "delete_message",
            Self::ClearMessages { .. } => "clear_messages",
            Self::SlowMode { .. } => "slow_mode",
            Self::Reaction { .. } => "reaction",
            Self::RequestGuest => "request_guest",
            Self::WithdrawRequest => "withdraw_request",
            Self::RespondGuest { .. } => "respond_guest",
            Self::ParticipantAction { .. } => "participant_action",
            Self::UpdateMediaStatus { .. } => "update_media_status",
            Self::StartBroadcast => "start_broadcast",
            Self::StopBroadcast => "stop_broadcast",
            Self::EndSession => "end_session",
            Self::WebrtcSignal { .. } => "webrtc_signal",
        }
    }
}

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
    /// Many reacted, in the last quarter of a second.
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
    /// secret. Good for [`RESUME_SECONDS`] after the loss.
    pub resume_token: String,
    /// The last [`CHAT_HISTORY`] messages, oldest first.
    pub chat_history: Vec<ChatMessage>,
    /// Who asks to come on the stage; for host and cohosts, empty for others.
    pub guest_requests: Vec<GuestRequest>,
    /// See `slow_mode`.
    pub slow_mode_seconds: u32,
    /// People who may be on the stage beside the host.
    pub guest_limit: u32,
    /// Path of the background picture in camera mode; `null` where there is none.
    pub background: Option<String>,
    /// STUN and TURN servers for connections with other participants, in a session that is a mesh.
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

    #[test]
    fn a_browsers_description_and_candidate_are_read_as_they_are() {
        let offer = json!({"action": "webrtc_signal", "connection": "subscribe", "signal_type": "offer",
            "signal_data": {"type": "offer", "sdp": "v=0"}});
        assert_eq!(
            serde_json::from_value::<ClientMessage>(offer).expect("offer"),
            ClientMessage::WebrtcSignal {
                to_user_id: None,
                connection: Some(Connection::Subscribe),
                signal_type: SignalType::Offer,
                signal_data: SignalData::Description(SessionDescription { sdp: "v=0".into() }),
                sources: None,
            }
        );
        let candidate = json!({"action": "webrtc_signal", "connection": "publish", "signal_type": "ice_candidate",
            "signal_data": {"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "abcd"}});
        assert!(matches!(
            serde_json::from_value::<ClientMessage>(candidate).expect("candidate"),
            ClientMessage::WebrtcSignal {
                signal_data: SignalData::Candidate(_),
                ..
            }
        ));
    }

    #[test]
    fn an_unknown_action_is_named() {
        let error = serde_json::from_value::<ClientMessage>(json!({"action": "fly"})).expect_err("unknown");
        assert!(error.to_string().contains("fly"), "{error}");
    }
}
