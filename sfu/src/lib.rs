//! The media core of the server: a selective forwarding middlebox (RFC 7667 §3.7) without I/O.
//!
//! One [`Sfu`] per worker thread holds that worker's peers. Publishers' packets become tracks; every subscriber of a
//! session shows its tracks in *slots*, the media sections of its offer. What a viewer gets is decided per packet and
//! slot and handed to the viewer's egress as a finished plan. Media is forwarded, never transcoded.
//!
//! What this crate is not: it opens no socket, starts no thread, reads no clock but the time of day once, which reports
//! tell, and knows no JSON and no HTTP. `Instant` comes in as an argument; datagrams, relay messages and events go in and
//! out as values. Workers share nothing: what one has to tell another is a [`RelayMessage`], and a track with viewers on
//! another worker crosses once, not once per viewer.
//!
//! **The invariants to keep:**
//! - After every call on an [`Sfu`], or after several of one moment, its three queues are drained. What viewers are given
//!   goes out then, all of one viewer's together.
//! - Nobody but its egress seals media with the keys of a viewer's connection (`peer.rs`, `transmit`).
//! - Every mutation of an engine is followed by a full drain before the next (`peer.rs` is the only place that can
//!   break it).
//! - A slot's SSRC, sequence numbers and timestamps are one line for life (`rewriter.rs`).
//! - Nothing that comes from the network can panic or grow without bound.

mod allocate;
mod alteration;
mod assign;
mod bandwidth;
mod clock;
mod codec;
mod consent;
mod distribute;
mod egress;
mod error;
mod event;
mod id;
mod keyframe;
mod keyframe_requests;
mod layers;
mod limit;
mod lowest;
mod mute;
mod negotiate;
mod normalize;
mod numbering;
mod parameter_sets;
mod patience;
mod peer;
mod picture_size;
mod publish;
mod quality;
mod redundancy;
mod relay;
mod rewriter;
mod route;
mod sdp;
mod session;
mod sfu;
mod slot;
mod source;
mod speakers;
mod speech;
mod stats;
mod subscribe;
mod throttle;
mod timers;
mod told;
mod track;
mod unsupported;
mod viewer;
mod vp8;

pub use bandwidth::Wish;
pub use egress::Transmit;
#[cfg(feature = "wire")]
pub use egress::wire;
pub use error::SfuError;
pub use event::{CloseReason, SfuEvent};
pub use id::{PeerId, SessionId, TrackId, UserId, WorkerId};
pub use layers::{LayerMask, LayerSet};
pub use limit::Room;
pub use mute::Muted;
pub use negotiate::check_candidate;
pub use relay::{Control, Publisher, Recipient, RelayMessage};
pub use route::requested_worker;
pub use sfu::{CONNECT_TIMEOUT, Direction, Identity, MAX_PEERS, PeerRequest, Routed, Sfu, SfuConfig};
pub use source::Source;
pub use stats::{Counters, IngestStats, LayerStats, SlotStats, TrackStats, ViewerStats};
pub use told::IceRestart;
pub use track::{TrackInfo, TrackPacket};

// Parts of the engine that appear in this crate's interface.
pub use str0m::media::MediaKind;
pub use str0m::net::{Protocol, TcpType};
pub use str0m::{Candidate, IceCreds};
