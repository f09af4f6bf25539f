//! What a caller of the media engine can be told.

use std::io;
use std::net::SocketAddr;

use footlight_sfu::SfuError;

/// Why the media engine did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The offer cannot be answered; the text names what is wrong with it.
    #[error("{0}")]
    BadOffer(String),
    /// What the offer would send or receive is in no codec that is forwarded; the text names both sides'.
    #[error("{0}")]
    CodecUnsupported(String),
    /// The peer was closed, or never was.
    #[error("no such connection")]
    UnknownPeer,
    /// More peers, or commands that wait, than a worker takes.
    #[error("the server has as many connections as it takes")]
    Overloaded,
    /// The media port cannot be opened.
    #[error("the media port cannot be opened at {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// No address to advertise: none was given, and the machine has none that fits.
    #[error("there is no address at which viewers could reach the media port")]
    NoAddress,
    /// The operating system refused something else at the start: a thread, a poller.
    #[error("the media workers cannot be started: {0}")]
    Start(#[source] io::Error),
    /// The crypto library cannot make a DTLS key.
    #[error("no DTLS key can be made")]
    NoIdentity,
    /// This cannot be asked for.
    #[error("{0}")]
    Unsupported(String),
    /// The engine is shut down.
    #[error("the media engine is stopped")]
    Stopped,
}

impl From<SfuError> for MediaError {
    fn from(error: SfuError) -> Self {
        match error {
            SfuError::BadOffer(_) => Self::BadOffer(error.to_string()),
            SfuError::UnsupportedCodec { .. } => Self::CodecUnsupported(error.to_string()),
            SfuError::UnknownPeer(_) => Self::UnknownPeer,
            SfuError::TooManyPeers => Self::Overloaded,
            other => Self::Unsupported(other.to_string()),
        }
    }
}
