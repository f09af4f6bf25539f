//! The live sessions: each a [`Room`](crate::rooms::Room) together with what its effects reach, each WebSocket of its
//! participants and their WebRTC peers.
//!
//! **Architecture invariant:** every change of a room goes through [`Session::command`](session::Session), which holds the
//! session's lock while it hands the effects out, so that all participants hear of things in the same order. Nothing waits
//! under that lock: queues are bounded, and whoever cannot keep up is let go.

mod admission;
mod background;
mod crowds;
mod events;
mod ingest;
pub(crate) mod names;
mod outbox;
mod peers;
mod playable;
mod registry;
mod session;
mod signaling;

pub use admission::{Admission, AdmissionError, Entrance, Seat};
pub use background::{Background, BackgroundRefusal, MAX_BACKGROUND_BYTES};
pub use crowds::Crowded;
pub use ingest::{IngestError, Negotiated, PublishRequest, WatchRequest};
pub use outbox::{Closing, Item, Mail};
pub use peers::{Resource, ResourceKind};
pub use registry::{CreateError, Figures, Limits, Sessions};
pub use signaling::SignalError;

/// Whose tracks a session's viewers see. One name for every session, so that slots keep their owner when a publisher
/// comes back to a server that was started again.
const HOST_ID: &str = "host";
