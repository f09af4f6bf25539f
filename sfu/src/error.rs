//! What a caller of the media core can be told.

use crate::PeerId;

/// Why a call was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SfuError {
    /// The offer cannot be answered; the text names what is wrong with it.
    #[error("the offer cannot be used: {0}")]
    BadOffer(String),
    /// A media section that is to flow has no codec that is forwarded.
    #[error("none of the codecs offered for {kind} is taken here: offered {offered}; taken {taken}")]
    UnsupportedCodec {
        /// `audio` or `video`.
        kind: &'static str,
        /// Their names as in the offer.
        offered: String,
        /// The names of those that are forwarded.
        taken: String,
    },
    /// The peer was closed, or never was.
    #[error("no such peer: {0}")]
    UnknownPeer(PeerId),
    /// The subscriber has no media section of that name that receives.
    #[error("no such slot: {0}")]
    UnknownSlot(String),
    /// Not an ICE candidate line (RFC 8839 §5.1).
    #[error("the ICE candidate cannot be used: {0}")]
    BadCandidate(String),
    /// ICE credentials outside RFC 8839 §5.4: a fragment of 4 to 256 and a password of 22 to 256 characters.
    #[error("the ICE credentials are malformed")]
    BadCredentials,
    /// This worker has [`MAX_PEERS`](crate::MAX_PEERS) peers.
    #[error("this worker has as many peers as it takes")]
    TooManyPeers,
}
