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
    /// A host or cohost has removed this participant from the session.
    #[error("removed from the session{by}", by = named(.by.as_deref()))]
    Kicked {
        /// The name of whoever did it, where the server said so.
        by: Option<String>,
    },
    /// A host or cohost does not want this participant on the stage.
    #[error("{by} refused the request to come on the stage")]
    Rejected {
        /// The name of whoever said so.
        by: String,
    },
    /// The same participant came in on another connection.
    #[error("this place in the session was taken over by another connection with the same token")]
    Replaced,
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

fn named(by: Option<&str>) -> String {
    by.map(|name| format!(" by {name}")).unwrap_or_default()
}

fn hint(error: &SignalingError) -> &'static str {
    if let SignalingError::Declined { code, .. } = error
        && code == "no_video"
    {
        return "; publish to it with --no-video";
    }
    match error.status() {
        Some(401 | 403) => {
            "; a session is published to with its host's token, or with one that was made for you (--token)"
        }
        Some(409) => "; leave out the session to make a new one",
        _ => "",
    }
}
