//! What a token says: JSON in its middle part (RFC 7519 §4).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use footlight_protocol::{Role, SessionId, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TokenRefusal;
use crate::sessions::names;

/// How far the clock of whoever made a token may be off ours (RFC 7519 §4.1.4).
pub const LEEWAY: Duration = Duration::from_secs(30);

/// The last second that RFC 3339 can write, 9999-12-31T23:59:59Z. A time after it can be neither shown nor meant.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Who somebody is, as a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Where.
    pub session: SessionId,
    /// Within the session.
    pub user: UserId,
    /// As shown; cleaned as every name from outside is.
    pub name: String,
    /// What this person may do.
    pub role: Role,
    /// From then on the token is good for nothing. To the second.
    pub expires_at: SystemTime,
}

/// The claims of a token that this server makes.
#[derive(Serialize)]
pub(super) struct Outgoing<'a> {
    session: &'a SessionId,
    user: &'a UserId,
    name: &'a str,
    role: Role,
    /// RFC 7519 §4.1.6.
    iat: u64,
    /// RFC 7519 §4.1.4.
    exp: u64,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(claims: &'a Claims, now: SystemTime) -> Self {
        Self {
            session: &claims.session,
            user: &claims.user,
            name: &claims.name,
            role: claims.role,
            iat: seconds(now),
            exp: seconds(claims.expires_at),
        }
    }
}

/// The claims of a token that came in: any JSON at first, so that a wrong one can be named without being quoted.
#[derive(Deserialize)]
pub(super) struct Incoming {
    session: Option<Value>,
    user: Option<Value>,
    name: Option<Value>,
    role: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
}

impl Incoming {
    /// Checks everything that is left to check once the signature is known to be good.
    pub(super) fn check(self, session: &SessionId, now: SystemTime) -> Result<Claims, TokenRefusal> {
        let expires_at = required("exp", self.exp).and_then(|exp| numeric_date("exp", exp))?;
        if let Some(nbf) = self.nbf {
            let from = read("nbf", nbf).and_then(|nbf| numeric_date("nbf", nbf))?;
            if now + LEEWAY < from {
                return Err(TokenRefusal::NotYet { from });
            }
        }
        if now >= expires_at + LEEWAY {
            return Err(TokenRefusal::Expired { at: expires_at });
        }
        let claims = Claims {
            session: required("session", self.session)?,
            user: required("user", self.user)?,
            name: match self.name {
                None => names::username_or_anonymous(None),
                Some(name) => names::username_or_anonymous(Some(&read::<String>("name", name)?)),
            },
            role: required("role", self.role)?,
            expires_at,
        };
        if claims.session == *session {
            Ok(claims)
        } else {
            Err(TokenRefusal::OtherSession)
        }
    }
}

fn required<T: DeserializeOwned>(name: &'static str, value: Option<Value>) -> Result<T, TokenRefusal> {
    read(name, value.ok_or(TokenRefusal::Claim(name))?)
}

fn read<T: DeserializeOwned>(name: &'static str, value: Value) -> Result<T, TokenRefusal> {
    serde_json::from_value(value).map_err(|_| TokenRefusal::Claim(name))
}

/// A `NumericDate` (RFC 7519 §2): seconds since 1970, a fraction allowed, which is cut off.
fn numeric_date(name: &'static str, seconds: f64) -> Result<SystemTime, TokenRefusal> {
    if (0.0..=LAST_SECOND).contains(&seconds) {
        Ok(UNIX_EPOCH + Duration::from_secs(seconds as u64))
    } else {
        Err(TokenRefusal::Claim(name))
    }
}

fn seconds(time: SystemTime) -> u64 {
    // A clock before 1970 is a machine without one; what it signs is expired everywhere else, as it should be.
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// `time` without its fraction of a second, which a token does not carry.
pub(super) fn to_the_second(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds(time))
}
