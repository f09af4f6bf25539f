//! The one place that says who somebody is.

use std::time::{Duration, SystemTime};

use footlight_protocol::{CreateToken, Role, SessionId, UserId};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation};

use super::claims::{Incoming, Outgoing, to_the_second};
use super::keys::{Keys, MissingSecret, Signer, Verifier};
use super::{AuthError, Claims, CreationRefusal, DEFAULT_LIFETIME, MAX_LIFETIME, MAX_TOKEN_BYTES, TokenRefusal};
use crate::config::AuthConfig;
use crate::data_dir::DataDir;
use crate::sessions::names;
use crate::token::BearerDigest;

/// Knows the keys.
pub struct Authority {
    api_keys: Vec<BearerDigest>,
    signer: Option<Signer>,
    verifiers: Vec<Verifier>,
    public_viewing: bool,
}

/// What somebody is to be given a token for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The session that it lets into.
    pub session: SessionId,
    /// Who that is, within the session; a new id where it is missing.
    pub user: Option<UserId>,
    /// As shown.
    pub name: Option<String>,
    /// What this person may do.
    pub role: Role,
    /// How long it is good: from a second to [`MAX_LIFETIME`], fractions of a second cut off.
    pub lifetime: Duration,
}

impl From<CreateToken> for Grant {
    fn from(request: CreateToken) -> Self {
        let seconds = request.expires_in.map(|seconds| Duration::from_secs(seconds.into()));
        Self {
            session: request.session_id,
            user: request.user_id,
            name: request.username,
            role: request.role.unwrap_or(Role::Viewer),
            lifetime: seconds.unwrap_or(DEFAULT_LIFETIME),
        }
    }
}

/// A token, and what it says.
pub struct Issued {
    /// A secret.
    pub token: String,
    /// What it says.
    pub claims: Claims,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

/// Why no token is made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The server is open, or has public keys alone.
    #[error(
        "this server has no key to sign tokens with: give it API keys (`auth.api_keys`), a secret (`auth.secret`) or a \
         private key (`auth.signing_key_file`)"
    )]
    NoKey,
    /// Longer than it can be, or over before it begins.
    #[error("a token is good for a second at least and {} days at most", MAX_LIFETIME.as_secs() / (24 * 3600))]
    Lifetime,
    /// The library refused, which a key that was loaded gives it no reason for.
    #[error("the token could not be signed: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

impl Authority {
    /// For the server: where API keys have to make tokens and there is no key to sign them with, makes one and keeps it in
    /// the data folder.
    pub fn load_or_create(config: &AuthConfig, data: &DataDir) -> Result<Self, AuthError> {
        Keys::load(config, data, MissingSecret::Make).map(|keys| Self::new(keys, config))
    }

    /// For a program beside the server, which must not make a secret that the server does not know.
    pub fn load(config: &AuthConfig, data: &DataDir) -> Result<Self, AuthError> {
        Keys::load(config, data, MissingSecret::Fail).map(|keys| Self::new(keys, config))
    }

    fn new(keys: Keys, config: &AuthConfig) -> Self {
        Self {
            api_keys: keys.api,
            signer: keys.signer,
            verifiers: keys.verifiers,
            public_viewing: config.public_viewing,
        }
    }

    /// Whether there are no keys at all, so that everybody may do everything.
    pub fn is_open(&self) -> bool {
        self.api_keys.is_empty() && self.verifiers.is_empty()
    }

    /// Whether a session that is public may be watched without a token.
    pub fn allows_public_viewing(&self) -> bool {
        self.is_open() || self.public_viewing
    }

    /// Whether there is any API key.
    pub fn has_api_keys(&self) -> bool {
        !self.api_keys.is_empty()
    }

    /// Who may come in, in a line for the operator.
    pub fn summary(&self) -> &'static str {
        match (self.is_open(), self.public_viewing) {
            (true, _) => "open: whoever reaches this server may publish and watch. Keys close it (`[auth]`)",
            (false, true) => "by key: going live needs an API key or a token, watching public sessions does not",
            (false, false) => "by key: going live needs an API key or a token, watching needs a token",
        }
    }

    /// Whether this is an API key. Takes the same time for a wrong one as for any of the right ones.
    pub fn api_key_matches(&self, bearer: &str) -> bool {
        self.api_keys
            .iter()
            .fold(false, |found, key| key.matches(bearer) | found)
    }

    /// Whether somebody with this bearer may create a session of this name; `None` is a name that the server chooses.
    pub fn check_creation(
        &self,
        bearer: Option<&str>,
        session: Option<&SessionId>,
        now: SystemTime,
    ) -> Result<(), CreationRefusal> {
        if self.is_open() {
            return Ok(());
        }
        let bearer = bearer.ok_or(CreationRefusal::KeyRequired)?;
        if self.api_key_matches(bearer) {
            return Ok(());
        }
        // The shape of a JSON Web Token (RFC 7515 §3.1).
        if bearer.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(CreationRefusal::UnknownKey);
        }
        let session = session.ok_or(CreationRefusal::Unnamed)?;
        match self.verify(bearer, session, now)?.role {
            Role::Host => Ok(()),
            _ => Err(CreationRefusal::NotHost),
        }
    }

    /// Makes a token.
    pub fn issue(&self, grant: Grant, now: SystemTime) -> Result<Issued, IssueError> {
        let Signer { algorithm, key } = self.signer.as_ref().ok_or(IssueError::NoKey)?;
        if grant.lifetime < Duration::from_secs(1) || grant.lifetime > MAX_LIFETIME {
            return Err(IssueError::Lifetime);
        }
        let claims = Claims {
            session: grant.session,
            user: grant.user.unwrap_or_else(names::new_user_id),
            name: names::username_or_anonymous(grant.name.as_deref()),
            role: grant.role,
            expires_at: to_the_second(now + grant.lifetime),
        };
        let token = jsonwebtoken::encode(&Header::new(*algorithm), &Outgoing::new(&claims, now), key)?;
        Ok(Issued { token, claims })
    }

    /// Who the bearer of this token is, in this session.
    pub fn verify(&self, token: &str, session: &SessionId, now: SystemTime) -> Result<Claims, TokenRefusal> {
        if self.verifiers.is_empty() {
            return Err(TokenRefusal::NoKeys);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenRefusal::TooLong);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenRefusal::Malformed)?;
        // "If any of the listed extension Header Parameters are not understood …, then the JWS is invalid" (RFC 7515 §4.1.11).
        if header.crit.is_some() {
            return Err(TokenRefusal::Algorithm);
        }
        let mut refusal = TokenRefusal::Algorithm;
        for verifier in self
            .verifiers
            .iter()
            .filter(|verifier| verifier.algorithm == header.alg)
        {
            match verifier.claims(token) {
                // One of several keys of a kind: the next one may be the one.
                Err(TokenRefusal::Signature) => refusal = TokenRefusal::Signature,
                Err(other) => return Err(other),
                Ok(claims) => return claims.check(session, now),
            }
        }
        Err(refusal)
    }
}

impl Verifier {
    /// The claims, if this key signed them.
    fn claims(&self, token: &str) -> Result<Incoming, TokenRefusal> {
        let mut validation = Validation::new(self.algorithm);
        // The library reads the machine's clock; times are checked by `Incoming::check`, whose clock is an argument. What is
        // left to it here is the signature, and that a token for some other audience is refused (RFC 7519 §4.1.3).
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let decoded = jsonwebtoken::decode(token, &self.key, &validation);
        decoded.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TokenRefusal::Signature,
            ErrorKind::InvalidAlgorithm => TokenRefusal::Algorithm,
            ErrorKind::InvalidAudience => TokenRefusal::Claim("aud"),
            _ => TokenRefusal::Malformed,
        })
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("open", &self.is_open())
            .field("api_keys", &self.api_keys.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
