//! Publishing: a session on a server, kept on air.
//!
//! ```text
//! Pipeline ─▶ media ─▶ outlet ─▶ peer (webrtc-rs) ─▶ server
//!    ▲                             │
//!    └── bitrate, keyframes ◀── broadcast ── whip (HTTP), room (WebSocket)
//! ```
//!
//! A [`Publisher`] claims a session once. From then on its broadcast connects, notices when the path or the server is
//! gone, and connects again, to the same session under the same watch address; what is captured in between is thrown
//! away. Each connection is a new one: new ICE, new DTLS, new SSRCs. Nothing of an old connection can therefore stand in
//! the way of the next.
//!
//! Whoever made the session, or has its host's token, offers media by WHIP, which also makes the session anew at a server
//! that was restarted. Everybody else is in the room first, comes on its stage by their token or because a host lets them,
//! and offers media there.
//!
//! **The invariant to keep:** timestamps come from capture, in packets and sender reports alike (`rtp_clock`). Nothing
//! between capture and network may make up a time of its own.

mod address;
mod backoff;
pub(crate) mod bandwidth;
mod broadcast;
pub(crate) mod congestion;
mod error;
pub(crate) mod feedback;
pub(crate) mod media;
pub(crate) mod outlet;
mod pacing_gate;
pub(crate) mod peer;
mod probes;
mod publisher;
mod reporter;
mod reports;
mod room;
mod rtp_clock;
mod session_url;
mod status;
mod stream_names;
mod tracks;
mod whip;

pub use address::{AddressError, ServerAddress};
pub use error::PublishError;
pub use publisher::{ChatError, PublishConfig, Publisher, SessionToken, VideoSwitch};
pub use status::{Ending, State, Status};
pub use tracks::MutedBy;
pub use whip::SignalingError;
