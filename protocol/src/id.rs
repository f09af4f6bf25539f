//! Identifiers that appear in URLs and messages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest identifier, in characters. Long enough for a UUID or a readable stream name, short enough for a log line.
pub const MAX_ID_CHARS: usize = 64;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Nothing between the slashes.
    #[error("an id cannot be empty")]
    Empty,
    /// Over [`MAX_ID_CHARS`].
    #[error("an id has at most {MAX_ID_CHARS} characters, this one has {0}")]
    TooLong(usize),
    /// Outside `A-Z a-z 0-9 - _`, the characters that need no escaping in a URL (RFC 3986 §2.3).
    #[error("an id is made of letters, digits, '-' and '_', and this one contains {0:?}")]
    Character(char),
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    let chars = text.chars().count();
    if chars > MAX_ID_CHARS {
        return Err(IdError::TooLong(chars));
    }
    match text
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
    {
        Some(c) => Err(IdError::Character(c)),
        None => Ok(()),
    }
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
        #[serde(try_from = "String", into = "String")]
        #[cfg_attr(feature = "typescript", ts(type = "string"))]
        pub struct $name(String);

        impl $name {
            /// The identifier as it stands in a URL.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                check(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier! {
    /// Names one session, in `/watch/{id}`, `/whip/{id}`, `/whep/{id}` and `/ws/live/{id}`.
    SessionId
}
identifier! {
    /// Names one participant within a session.
    UserId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_a_url_carries_unescaped() {
        for good in ["a", "my-show_2", &"x".repeat(MAX_ID_CHARS)] {
            assert_eq!(good.parse::<SessionId>().map(String::from), Ok(good.to_owned()));
        }
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!("".parse::<SessionId>(), Err(IdError::Empty));
        assert_eq!("x".repeat(65).parse::<SessionId>(), Err(IdError::TooLong(65)));
        assert_eq!("a/b".parse::<SessionId>(), Err(IdError::Character('/')));
        assert_eq!("größe".parse::<SessionId>(), Err(IdError::Character('ö')));
    }
}
