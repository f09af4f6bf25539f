//! The WebSocket `/ws/live/{session_id}`: what a client sends (tagged by `action`) and what the server sends (tagged by
//! `type`, each with a `timestamp`).

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{SessionId, SessionMode, UserId};

/// Largest WebSocket frame, in bytes, either way. A larger one closes the connection with 1009 (RFC 6455 §7.4.1).
pub const MAX_FRAME_BYTES: usize = 64 * 1024;

/// Longest display name, in characters; what follows is cut.
pub const MAX_USERNAME_CHARS: usize = 40;

/// The display name of somebody who gave none.
pub const ANONYMOUS: &str = "Anonymous";

/// What somebody may do in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Owns the session and is on air.
    Host,
    /// Watches.
    Viewer,
}

/// Somebody in a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Participant {
    /// Within the session.
    pub user_id: UserId,
    /// As shown.
    pub username: String,
    /// What this person may do.
    pub role: Role,
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
}

/// Client → server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Answered by `pong`.
    Ping,
    /// Accepted and ignored.
    KeepAlive,
    /// For the server's SFU.
    WebrtcSignal {
        /// Which of the participant's two connections.
        connection: Connection,
        /// What `signal_data` is.
        signal_type: SignalType,
        /// The description or the candidate.
        signal_data: SignalData,
    },
}

/// Why a session is over, for the words that the page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The host ended it.
    EndedByHost,
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
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerEvent {
    /// First of all: who is here.
    CurrentParticipants {
        /// Yourself.
        you: Participant,
        /// Everybody, yourself included. Viewers are listed up to a limit; `viewer_count` is exact.
        participants: Vec<Participant>,
        /// People watching.
        viewer_count: u32,
        /// Voice, camera or studio.
        mode: SessionMode,
        /// Shown above the picture.
        title: String,
        /// When it went live, RFC 3339; `null` while nobody is on air.
        started_at: Option<String>,
    },
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
    /// From the server's SFU.
    WebrtcSignal {
        /// The session.
        session_id: SessionId,
        /// Which of your two connections.
        connection: Connection,
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
    },
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
                connection: Connection::Subscribe,
                signal_type: SignalType::Offer,
                signal_data: SignalData::Description(SessionDescription { sdp: "v=0".into() }),
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
