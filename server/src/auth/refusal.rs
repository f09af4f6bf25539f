//! Why somebody is turned away, in words that tell nothing of the token.

use std::time::SystemTime;

/// Why a token does not let its bearer in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRefusal {
    /// The server is open, and has nothing to verify a token with.
    #[error("this server runs open and takes no tokens: come in without one")]
    NoKeys,
    /// Over [`MAX_TOKEN_BYTES`](super::MAX_TOKEN_BYTES).
    #[error("the token is longer than any that this server takes")]
    TooLong,
    /// No JSON Web Token, or one with an algorithm that does not exist.
    #[error("this is no token: one is a JSON Web Token, three parts with dots between them")]
    Malformed,
    /// An algorithm that none of the server's keys is for, or a header that asks for what the server does not do.
    #[error("the token is signed in a way that this server does not take")]
    Algorithm,
    /// Signed by somebody else, or changed afterwards.
    #[error("the token's signature is not that of a key which this server knows")]
    Signature,
    /// A claim is missing or makes no sense.
    #[error("the token's claim `{0}` is missing or not valid")]
    Claim(&'static str),
    /// Made for another session.
    #[error("the token was made for another session")]
    OtherSession,
    /// Its time is over.
    #[error("the token expired at {}: ask for a new one", humantime::format_rfc3339_seconds(*.at))]
    Expired {
        /// When.
        at: SystemTime,
    },
    /// Its time has not come.
    #[error("the token is not good before {}", humantime::format_rfc3339_seconds(*.from))]
    NotYet {
        /// From when on it is.
        from: SystemTime,
    },
}

impl TokenRefusal {
    /// For programs: stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoKeys => "tokens_disabled",
            Self::TooLong | Self::Malformed => "token_malformed",
            Self::Algorithm => "token_algorithm",
            Self::Signature => "token_signature",
            Self::Claim(_) => "token_claims",
            Self::OtherSession => "token_other_session",
            Self::Expired { .. } => "token_expired",
            Self::NotYet { .. } => "token_not_yet_valid",
        }
    }
}

/// Why somebody may not create a session on a server with keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreationRefusal {
    /// No bearer at all.
    #[error("creating a session here needs an API key, or a token with the role of host, as bearer")]
    KeyRequired,
    /// Neither a key of this server nor a token.
    #[error("this is no API key of this server")]
    UnknownKey,
    /// A token is for one session, and the request names none.
    #[error("a token creates the session that it was made for: name that one as `session_id`")]
    Unnamed,
    /// A token of somebody else.
    #[error("only a token with the role of host creates a session")]
    NotHost,
    /// The token is not good.
    #[error(transparent)]
    Token(#[from] TokenRefusal),
}
