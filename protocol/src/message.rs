//! The WebSocket `/ws/live/{session_id}`: what a client sends (tagged by `action`) and what the server sends (tagged by
//! `type`, each with a `timestamp`).

mod client;
mod server;

use serde::{Deserialize, Serialize};

pub use client::ClientMessage;
pub use server::{EndReason, ServerEvent, ServerMessage, Welcome};

use crate::UserId;

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
