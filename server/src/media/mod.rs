//! The media engine's hands: sockets and worker threads around [`footlight_sfu`].
//!
//! One OS thread per worker, each with its own UDP socket and TCP listener on the one media port (`SO_REUSEPORT`), its
//! own [`Sfu`](footlight_sfu::Sfu) and its own peers. The kernel hands a remote address to one of the sockets; where
//! that is not the one of the worker that owns the peer, the datagram is passed on. Workers share nothing but bounded
//! channels.
//!
//! **The invariant to keep:** no lock and no await between a datagram that comes in and those that go out. The async
//! world reaches a worker by a command in its mailbox and hears from it by events.

mod address;
mod affinity;
mod counters;
mod error;
mod event;
mod figures;
mod handle;
mod mail;
mod parcel;
mod placement;
mod relay;
mod socket;
mod tcp;
mod udp;
mod worker;

pub(crate) use address::Advertised;
pub use counters::{KeyframeFigures, MediaSnapshot, WorkerSnapshot};
pub use error::MediaError;
pub use event::MediaEvent;
pub use figures::SessionFigures;
pub use footlight_sfu::{CloseReason, Muted, PeerId, Wish};
pub use handle::{Accepted, IceRestart, Media, MediaConfig, PeerRequest, look_at_candidate};
pub use relay::{RELAY_CAPACITY, Relayed, relayed_ip};
