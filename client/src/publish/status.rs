//! How a publisher is doing, in one value.

use footlight_protocol::{EndReason, Role, SessionId};
use serde::Serialize;

use crate::units::{Bitrate, Resolution};

/// Where a publisher stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// On the way to the server for the first time.
    Connecting,
    /// On air.
    Live,
    /// In the room and not on its stage: somebody has to let this publisher come up.
    Waiting,
    /// Was on air, and is on the way back. Capture goes on.
    Reconnecting,
    /// Over.
    Ended,
}

/// How a publisher is doing, renewed once a second and at each change of [`State`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Where it stands.
    pub state: State,
    /// Why it is not live, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The session's name in every URL.
    pub session_id: SessionId,
    /// The page to share.
    pub watch_url: String,
    /// Time on air in seconds, interruptions not counted.
    pub on_air_seconds: f64,
    /// Interruptions so far.
    pub reconnects: u32,
    /// What the picture source is called; empty without one.
    pub video_source: String,
    /// Why the picture source delivers nothing, if it does not; the stream then shows a card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_problem: Option<String>,
    /// What the sound source is called; empty without one.
    pub audio_source: String,
    /// Why the sound source delivers nothing, if it does not; the stream is then silent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_problem: Option<String>,
    /// Size of the encoded picture.
    pub resolution: Resolution,
    /// Pictures per second that the source delivered, over the last second.
    pub fps_captured: f32,
    /// Pictures per second that were encoded, over the last second.
    pub fps_encoded: f32,
    /// Pictures per second that were handed to the network, over the last second.
    pub fps_sent: f32,
    /// Milliseconds to encode one picture, mean over the last second.
    pub encode_ms: f32,
    /// What congestion control allows video, in bits per second.
    pub target_bps: Bitrate,
    /// Payload of picture and sound sent in the last second, in bits per second.
    pub bitrate_bps: u64,
    /// Share of packets lost on the way to the server, smoothed, 0 to 1.
    pub loss: f32,
    /// Round-trip time to the server in milliseconds, once it has been measured.
    pub round_trip_ms: Option<f32>,
    /// What the publisher may do in the room; unknown until the room has been joined.
    pub role: Option<Role>,
    /// People watching; unknown while the server cannot be asked.
    pub viewers: Option<u32>,
    /// Peak level of the sound source in dBFS, measured before mute; `null` for silence.
    pub audio_level_dbfs: Option<f32>,
    /// Whether sound is muted.
    pub muted: bool,
    /// Who in the room does not allow sound, if somebody does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_muted_by: Option<String>,
    /// Whether a card is sent in place of the picture.
    pub hidden: bool,
    /// Who in the room does not allow the picture, if somebody does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_muted_by: Option<String>,
}

/// How publishing came to its end without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// [`Publisher::stop`](super::Publisher::stop).
    Stopped,
    /// The server ended the session.
    SessionEnded(EndReason),
}
