//! Publishing: a session on a server, kept on air.
//!
//! ```text
//! Pipeline ─▶ media ─▶ outlet ─▶ peer (webrtc-rs) ─▶ server
//!    ▲                             │
//!    └── bitrate, keyframes ◀── broadcast ── whip (HTTP), presence (WebSocket)
//! ```
//!
//! A [`Publisher`] claims a session once. From then on its broadcast connects, notices when the path or the server is
//! gone, and connects again, to the same session under the same watch address; what is captured in between is thrown
//! away. Each connection is a new one: new ICE, new DTLS, new SSRCs. Nothing of an old connection can therefore stand in
//! the way of the next.
//!
//! **The invariant to keep:** timestamps come from capture, in packets and sender reports alike (`rtp_clock`). Nothing
//! between capture and network may make up a time of its own.

mod address;
mod backoff;
mod bandwidth;
mod broadcast;
mod error;
mod feedback;
mod media;
mod outlet;
mod peer;
mod presence;
mod publisher;
mod reporter;
mod reports;
mod rtp_clock;
mod runtime;
mod status;
mod whip;

pub use address::{AddressError, ServerAddress};
pub use error::PublishError;
pub use publisher::{PublishConfig, Publisher, SessionToken};
pub use status::{Ending, State, Status};
pub use whip::SignalingError;
