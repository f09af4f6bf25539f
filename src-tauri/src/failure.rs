//! What a command answers when it does not do what was asked: a kind for the pages, and words for the person.

use footlight_trust::{Refusal, TrustError};
use serde::Serialize;

use crate::address::AddressError;
use crate::settings::SettingsError;

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Failure {
    /// The page asked for something that makes no sense, or the person typed it.
    #[error("{message}")]
    Invalid {
        /// In words.
        message: String,
    },
    /// Nothing can be asked before a server is chosen.
    #[error("No server is chosen yet.")]
    NoServer,
    /// The server, or the way to it, is not there.
    #[error("{server} does not answer: {message}.")]
    Unreachable {
        /// `host:port`.
        server: String,
        /// The innermost cause.
        message: String,
    },
    /// Something else answers at that address.
    #[error("There is a server at {server}, but it is not Footlight.")]
    NotFootlight {
        /// `host:port`.
        server: String,
    },
    /// The certificate is not the one of the first contact, or no authority vouches for it any more. Nothing was sent.
    #[error("The certificate of {server} {}.", if *.expired { "has expired" } else { "has changed" })]
    CertificateChanged {
        /// `host:port`.
        server: String,
        /// Remembered: SHA-256, as browsers write it; `null` where an authority vouched for the server.
        expected: Option<String>,
        /// Shown now.
        received: String,
        /// Whether an authority vouched for the server, and the certificate is past its time.
        expired: bool,
    },
    /// The certificate is not believed, for another reason. Nothing was sent.
    #[error("{server} cannot be trusted: {message}")]
    Untrusted {
        /// `host:port`.
        server: String,
        /// In words.
        message: String,
    },
    /// A camera, microphone, screen or loudspeaker does not work.
    #[cfg_attr(mobile, expect(dead_code, reason = "a phone's pages open their devices themselves"))]
    #[error("{message}")]
    Device {
        /// Why, for the pages' own words.
        cause: DeviceCause,
        /// In words.
        message: String,
    },
    /// More is under way than the app takes on.
    #[error("The app is busy. Try again in a moment.")]
    Busy,
    /// The system does not let the app do it.
    #[error("{message}")]
    System {
        /// In words.
        message: String,
    },
}

/// Why a device does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(mobile, expect(dead_code, reason = "a phone's pages open their devices themselves"))]
pub(crate) enum DeviceCause {
    /// There is none, or none of that name.
    Missing,
    /// Another program has it.
    Busy,
    /// The system does not let this person have it.
    Refused,
    /// Anything else.
    Failed,
}

impl Failure {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
        }
    }

    /// What was asked for came too late. Nobody hears this.
    #[cfg(desktop)]
    pub(crate) fn page_gone() -> Self {
        Self::invalid("The page that asked for this is gone.")
    }

    pub(crate) fn system(error: &impl std::fmt::Display) -> Self {
        Self::System {
            message: error.to_string(),
        }
    }

    /// Of a request to `server` (`host:port`) that came to nothing.
    pub(crate) fn of_exchange(server: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let server = server.to_owned();
        match Refusal::behind(error) {
            Some(Refusal::Distrusted(TrustError::Changed { expected, received, .. })) => Self::CertificateChanged {
                server,
                expected: Some(expected.to_string()),
                received: received.to_string(),
                expired: false,
            },
            Some(Refusal::Distrusted(TrustError::NoLongerVouched {
                received, is_expired, ..
            })) => Self::CertificateChanged {
                server,
                expected: None,
                received: received.to_string(),
                expired: *is_expired,
            },
            Some(refusal) => Self::Untrusted {
                server,
                message: refusal.to_string(),
            },
            None => Self::Unreachable {
                server,
                message: innermost(error).to_string(),
            },
        }
    }
}

/// HTTP and WebSocket libraries say "error sending request" and keep the reason within.
fn innermost<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::system(&error)
    }
}
