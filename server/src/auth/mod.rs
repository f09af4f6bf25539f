//! Who somebody is, and who may bring a session into being: API keys, and the signed tokens that are made with them.
//!
//! An *API key* belongs to a program, such as the operator's own site: it creates sessions and tokens. A *token* belongs to
//! a person: a JSON Web Token (RFC 7519) that says in which session somebody is who, with which role and until when. A
//! *host token* (`crate::token`) is neither: it proves which session one has created.
//!
//! Without any key the server is *open*: whoever reaches it may create, publish and watch. That is right on one's own
//! machine, and the server says so when it starts. Any key at all closes it.
//!
//! **The invariants to keep:**
//! - The key decides the algorithm, never the token: a public key is never tried as an HMAC secret.
//! - Nothing of a token or a key appears in a log or in an answer.
//! - The clock is an argument.

mod authority;
mod claims;
mod keys;
mod refusal;

pub use authority::{Authority, Grant, IssueError, Issued};
pub use claims::{Claims, LEEWAY};
pub use keys::AuthError;
pub use refusal::{CreationRefusal, TokenRefusal};

use std::time::Duration;

/// The longest token that is looked at, in bytes. One with the longest ids and a name of forty emoji has under 900; tokens
/// that are made elsewhere may carry claims of their own.
pub const MAX_TOKEN_BYTES: usize = 4 * 1024;

/// How long a token is good where nobody says: a long evening.
pub const DEFAULT_LIFETIME: Duration = Duration::from_hours(6);

/// How long a token can be good. It cannot be taken back, so that one which got into wrong hands must end by itself.
pub const MAX_LIFETIME: Duration = Duration::from_hours(30 * 24);
