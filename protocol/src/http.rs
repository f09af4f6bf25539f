//! Bodies of the HTTP API.

use serde::{Deserialize, Serialize};

use crate::{SessionId, UserId};

/// Longest title, in characters; what follows is cut.
pub const MAX_TITLE_CHARS: usize = 120;

/// What a session without a title is called.
pub const DEFAULT_TITLE: &str = "Untitled stream";

/// How many people may speak or be seen, and how. `voice` is audio only, `camera` has video guests over a background,
/// `studio` a grid of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SessionMode {
    /// Audio only.
    Voice,
    /// Video over a background picture.
    #[default]
    Camera,
    /// A grid of participants.
    Studio,
}

impl SessionMode {
    /// People who may be on the stage beside the host.
    pub const fn guest_limit(self) -> u32 {
        match self {
            Self::Voice => 8,
            Self::Camera => 10,
            Self::Studio => 20,
        }
    }
}

/// How media travels between participants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// Through the server, which forwards (RFC 7667 §3.7, Selective Forwarding Middlebox).
    #[default]
    Sfu,
    /// Straight from browser to browser; the server relays the signaling alone (RFC 7667 §3.5).
    Mesh,
}

/// Whether `GET /api/sessions` names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Listed for everybody.
    #[default]
    Public,
    /// Reached by its link alone.
    Unlisted,
}

/// `POST /api/sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "typescript", ts(optional_fields))]
pub struct CreateSession {
    /// Shown above the picture. [`DEFAULT_TITLE`] where it is missing or blank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `camera` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<SessionMode>,
    /// `sfu` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<Topology>,
    /// `public` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// An id of the caller's choice; the server makes one where it is missing. With the matching `host_token` it brings
    /// back a session that a restarted server no longer knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Proves the right to `session_id` where that session existed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_token: Option<String>,
}

/// `POST /api/tokens`, with an API key as bearer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "typescript", ts(optional_fields))]
pub struct CreateToken {
    /// The session that it lets into.
    pub session_id: SessionId,
    /// Who that is, within the session; the server makes one where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// As shown; [`ANONYMOUS`](crate::ANONYMOUS) where it is missing or blank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// What this person may do; a viewer where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<crate::Role>,
    /// Until when it is good, in seconds from now; six hours where it is missing, 30 days at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u32>,
}

/// The answer to [`CreateToken`], with status 201.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct TokenCreated {
    /// A JSON Web Token (RFC 7519). A secret.
    pub token: String,
    /// Who it is for.
    pub user_id: UserId,
    /// RFC 3339 in UTC.
    pub expires_at: String,
}

/// The answer to [`CreateSession`], with status 201.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct SessionCreated {
    /// The session's name in every URL.
    pub session_id: SessionId,
    /// The bearer token of its host: publishes (`/whip/{id}`), ends (`/ws/live/{id}/end`). A secret.
    pub host_token: String,
    /// The page to share, absolute.
    pub watch_url: String,
}

/// `GET /api/sessions`: the public sessions that are live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct SessionList {
    /// Newest first.
    pub sessions: Vec<SessionSummary>,
}

/// One live session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct SessionSummary {
    /// The session's name in every URL.
    pub session_id: SessionId,
    /// Shown above the picture.
    pub title: String,
    /// Voice, camera or studio.
    pub mode: SessionMode,
    /// How media travels.
    pub topology: Topology,
    /// People watching, previews on the grid not counted.
    pub viewer_count: u32,
    /// When it went live, RFC 3339 in UTC.
    pub started_at: String,
    /// Who is on air.
    pub broadcasters: Vec<Broadcaster>,
}

/// Somebody who is on air.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Broadcaster {
    /// Within the session.
    pub user_id: UserId,
    /// As shown.
    pub username: String,
}

/// `GET /ws/live/{id}/stats`: one session's live figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct SessionStats {
    /// The session's name in every URL.
    pub session_id: SessionId,
    /// People watching.
    pub viewer_count: u32,
    /// Everybody who is connected, in whatever role.
    pub participants: u32,
    /// What is on air.
    pub tracks: Vec<TrackStats>,
    /// What the connections get of the participant that `?viewer=` of the request names: of a thousand viewers, nobody has to read the
    /// figures of all, and only who knows an id can ask for it.
    #[serde(default)]
    pub viewers: Vec<ViewerStats>,
}

/// One published track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct TrackStats {
    /// Whose it is.
    pub user_id: UserId,
    /// Audio or video.
    pub kind: crate::MediaKind,
    /// Where it comes from.
    pub source: crate::TrackSource,
    /// As in SDP, for example `H264`, `opus`.
    pub codec: String,
    /// Received in the last second, in bits per second.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub bitrate_bps: u64,
    /// Share of packets lost on the way to the server in the last interval, 0 to 1.
    pub loss: f32,
    /// Round-trip time between server and publisher in milliseconds, where it has been measured.
    pub round_trip_ms: Option<f32>,
    /// Viewers that this track is forwarded to.
    pub receivers: u32,
    /// The simulcast layers that are on, the smallest first; one where there is no simulcast.
    #[serde(default)]
    pub layers: Vec<LayerStats>,
}

/// One layer of a published track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct LayerStats {
    /// As its publisher calls it (RFC 8851); none without simulcast.
    pub rid: Option<String>,
    /// Of the picture, in pixels, where the codec tells.
    pub height: Option<u32>,
    /// In bits per second.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub bitrate_bps: u64,
}

/// What one connection receives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ViewerStats {
    /// Whose it is.
    pub user_id: UserId,
    /// What congestion control thinks that the way to the viewer carries, in bits per second; none where nobody measures it.
    #[cfg_attr(feature = "typescript", ts(type = "number | null"))]
    pub estimate_bps: Option<u64>,
    /// Share of packets lost on the way to the viewer in the last second, 0 to 1, where the viewer reports it.
    pub loss: Option<f32>,
    /// Round-trip time to the viewer in milliseconds, where it has been measured.
    pub round_trip_ms: Option<f32>,
    /// Those of its slots that show something.
    pub slots: Vec<SlotStats>,
}

/// What a slot of a viewer shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct SlotStats {
    /// Its media section.
    pub mid: String,
    /// Who publishes what it shows.
    pub user_id: UserId,
    /// Audio or video.
    pub kind: crate::MediaKind,
    /// Where it comes from.
    pub source: crate::TrackSource,
    /// The simulcast layer that is forwarded, as its publisher calls it; none without simulcast.
    pub rid: Option<String>,
    /// Of the picture, in pixels, where the codec tells.
    pub height: Option<u32>,
    /// The way to the viewer has no room for it, and it stands still.
    pub left_out: bool,
}

/// The JSON body of every HTTP error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ApiError {
    /// For programs: `snake_case`, stable.
    pub code: String,
    /// For people: names what was wrong.
    pub message: String,
}
