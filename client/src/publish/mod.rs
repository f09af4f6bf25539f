//! Publishing: a session on a server, kept on air.

mod address;
mod backoff;
mod bandwidth;
mod feedback;
mod media;
mod outlet;
mod peer;
mod reports;
mod rtp_clock;
mod whip;

pub use address::{AddressError, ServerAddress};
pub use whip::SignalingError;
