//! Why publishing did not start, or ended.

use std::time::Duration;

use crate::pipeline::PipelineError;
use crate::publish::whip::SignalingError;

/// Why publishing did not start, or ended against the publisher's will.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A device or a codec.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The server was not reached, or refused.
    #[error("{0}{hint}", hint = hint(.0))]
    Signaling(#[from] SignalingError),
    /// The WebRTC engine.
    #[error("WebRTC: {0}")]
    WebRtc(#[from] webrtc::error::Error),
    /// HTTP works and media does not.
    #[error(
        "the server answers, but no media gets through: neither UDP nor TCP reaches its media port. Is that port open in \
         its firewall, and does it know its public address?"
    )]
    NoMediaPath,
    /// Capture is over.
    #[error("capture has ended")]
    PipelineEnded,
}

impl PublishError {
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Signaling(error) => error.retry_after(),
            _ => None,
        }
    }
}

fn hint(error: &SignalingError) -> &'static str {
    match error.status() {
        Some(401 | 403) => "; a session is published to with the token that it was made with (--session and --token)",
        Some(409) => "; leave out the session to make a new one",
        _ => "",
    }
}
