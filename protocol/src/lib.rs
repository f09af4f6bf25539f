//! Every message on Footlight's wire: the WebSocket's client and server messages, and the HTTP bodies beside it.
//!
//! This crate is shapes and their validation alone. It does no I/O, knows no runtime and no WebRTC, and therefore can be
//! used by the server, the native client and (as TypeScript, through `cargo xtask bindings`) the pages.
//!
//! **The invariant to keep:** a name that was released never changes its meaning. Clients exist that speak these names;
//! new fields are optional on the way in.

mod discovery;
mod http;
mod ice_server;
mod id;
mod message;
mod permission;
#[cfg(feature = "typescript")]
mod typescript;

pub use discovery::{DNS_SD_SERVICE, ROOT_PATH, TXT_PATH, TXT_SCHEME};
pub use http::{
    ApiError, Broadcaster, CreateSession, CreateToken, DEFAULT_TITLE, LayerStats, MAX_TITLE_CHARS, SessionCreated,
    SessionList, SessionMode, SessionStats, SessionSummary, SlotStats, TokenCreated, Topology, TrackStats, ViewerStats,
    Visibility,
};
pub use ice_server::IceServer;
pub use id::{IdError, MAX_ID_CHARS, SessionId, UserId};
pub use message::{
    ANONYMOUS, CHAT_HISTORY, ChatMessage, ClientMessage, Connection, EndReason, GuestRequest, IceCandidate,
    MAX_CHAT_CHARS, MAX_FRAME_BYTES, MAX_SERVER_FRAME_BYTES, MAX_SLOW_MODE_SECONDS, MAX_USERNAME_CHARS, MediaKind,
    Participant, ParticipantAction, RESUME_SECONDS, Reaction, Role, ServerEvent, ServerMessage, SessionDescription,
    SignalData, SignalType, TrackSource, Welcome,
};
pub use permission::{Right, permission_table};
#[cfg(feature = "typescript")]
pub use typescript::declarations;
