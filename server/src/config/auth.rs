//! The table `[auth]`: the keys that decide who may come in.

use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, Secret};
use crate::token::MAX_BEARER_BYTES;

/// The shortest API key, in characters: 16 random letters and digits are 80 bits and more, too many to try by network.
pub const MIN_API_KEY_CHARS: usize = 16;

/// The shortest secret, in bytes: RFC 7518 §3.2 wants a key for HS256 that is at least as long as its hash.
pub const MIN_SECRET_BYTES: usize = 32;

/// What one source says of `[auth]`; a key that it does not name is `None`.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthSettings {
    /// Keys of programs that create sessions and tokens; other users of the machine see flags, so prefer a file
    #[arg(
        id = "auth_api_keys",
        long = "auth-api-keys",
        env = "FOOTLIGHT_AUTH_API_KEYS",
        value_name = "KEY",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub api_keys: Option<Vec<Secret>>,
    /// File of such keys, one in a line
    #[arg(
        id = "auth_api_keys_file",
        long = "auth-api-keys-file",
        env = "FOOTLIGHT_AUTH_API_KEYS_FILE",
        value_name = "FILE"
    )]
    pub api_keys_file: Option<PathBuf>,
    /// Signs and verifies tokens (HS256), at least 32 bytes [default: made on the first start with API keys]
    #[arg(
        id = "auth_secret",
        long = "auth-secret",
        env = "FOOTLIGHT_AUTH_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    pub secret: Option<Secret>,
    /// File of that secret
    #[arg(
        id = "auth_secret_file",
        long = "auth-secret-file",
        env = "FOOTLIGHT_AUTH_SECRET_FILE",
        value_name = "FILE"
    )]
    pub secret_file: Option<PathBuf>,
    /// Ed25519 private key that signs tokens instead, PKCS#8 in PEM
    #[arg(
        id = "auth_signing_key_file",
        long = "auth-signing-key-file",
        env = "FOOTLIGHT_AUTH_SIGNING_KEY_FILE",
        value_name = "FILE"
    )]
    pub signing_key_file: Option<PathBuf>,
    /// Ed25519 public keys of whoever else signs tokens, each a PEM file
    #[arg(
        id = "auth_public_key_files",
        long = "auth-public-key-files",
        env = "FOOTLIGHT_AUTH_PUBLIC_KEY_FILES",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub public_key_files: Option<Vec<PathBuf>>,
    /// Whether public sessions may be watched without a token, where there are keys [default: true]
    #[arg(
        id = "auth_public_viewing",
        long = "auth-public-viewing",
        env = "FOOTLIGHT_AUTH_PUBLIC_VIEWING",
        value_name = "BOOL"
    )]
    pub public_viewing: Option<bool>,
}

/// Who may come in, as configured. What the files hold is read at the start, by
/// [`Authority`](crate::auth::Authority).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthConfig {
    /// Keys of programs that create sessions and tokens.
    pub api_keys: Vec<Secret>,
    /// A file of further ones, one in a line.
    pub api_keys_file: Option<PathBuf>,
    /// Signs and verifies tokens by HS256.
    pub secret: Option<SecretSource>,
    /// Ed25519, PKCS#8 in PEM (RFC 8410 §7).
    pub signing_key_file: Option<PathBuf>,
    /// Ed25519, `SubjectPublicKeyInfo` in PEM (RFC 8410 §4).
    pub public_key_files: Vec<PathBuf>,
    /// Whether public sessions may be watched without a token.
    pub public_viewing: bool,
}

/// Where the secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In the configuration.
    Text(Secret),
    /// In a file of its own.
    File(PathBuf),
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            api_keys: Vec::new(),
            api_keys_file: None,
            secret: None,
            signing_key_file: None,
            public_key_files: Vec::new(),
            public_viewing: true,
        }
    }
}

impl AuthSettings {
    /// These settings, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        // One choice with two keys, as TLS is.
        let (secret, secret_file) = if self.secret.is_some() || self.secret_file.is_some() {
            (self.secret, self.secret_file)
        } else {
            (other.secret, other.secret_file)
        };
        Self {
            api_keys: self.api_keys.or(other.api_keys),
            api_keys_file: self.api_keys_file.or(other.api_keys_file),
            secret,
            secret_file,
            signing_key_file: self.signing_key_file.or(other.signing_key_file),
            public_key_files: self.public_key_files.or(other.public_key_files),
            public_viewing: self.public_viewing.or(other.public_viewing),
        }
    }

    /// Whether a secret stands here in plain text.
    pub(super) fn holds_secrets(&self) -> bool {
        self.api_keys.as_ref().is_some_and(|keys| !keys.is_empty())
            || self.secret.as_ref().is_some_and(|secret| !secret.reveal().is_empty())
    }

    /// Fills in the defaults and checks what can be checked without touching the machine.
    pub(super) fn resolve(self) -> Result<AuthConfig, ConfigError> {
        let named = |path: Option<PathBuf>| path.filter(|path| !path.as_os_str().is_empty());
        let default = AuthConfig::default();
        // An empty variable, as a compose file leaves it, is a list of one empty key.
        let mut api_keys = self.api_keys.unwrap_or_default();
        api_keys.retain(|key| !key.reveal().is_empty());
        for key in &api_keys {
            check_api_key(key.reveal()).map_err(|reason| ConfigError::invalid("auth.api_keys", reason))?;
        }
        let secret = self.secret.filter(|secret| !secret.reveal().is_empty());
        let secret = match (secret, named(self.secret_file)) {
            (Some(_), Some(_)) => {
                return Err(ConfigError::invalid(
                    "auth.secret",
                    "`auth.secret_file` is given as well: give one of the two",
                ));
            }
            (Some(secret), None) => {
                check_secret(secret.reveal().as_bytes())
                    .map_err(|reason| ConfigError::invalid("auth.secret", reason))?;
                Some(SecretSource::Text(secret))
            }
            (None, Some(path)) => Some(SecretSource::File(path)),
            (None, None) => None,
        };
        let mut public_key_files = self.public_key_files.unwrap_or_default();
        public_key_files.retain(|path| !path.as_os_str().is_empty());
        Ok(AuthConfig {
            api_keys,
            api_keys_file: named(self.api_keys_file),
            secret,
            signing_key_file: named(self.signing_key_file),
            public_key_files,
            public_viewing: self.public_viewing.unwrap_or(default.public_viewing),
        })
    }
}

/// What is wrong with an API key, without a word of it.
pub(crate) fn check_api_key(key: &str) -> Result<(), String> {
    if !key.chars().all(|c| c.is_ascii_graphic()) {
        return Err(
            "a key is made of the ASCII letters, digits and signs that a header can carry, without spaces".into(),
        );
    }
    match key.len() {
        short if short < MIN_API_KEY_CHARS => Err(format!(
            "a key has at least {MIN_API_KEY_CHARS} characters, and here is one of {short}"
        )),
        long if long > MAX_BEARER_BYTES => Err(format!(
            "a key has at most {MAX_BEARER_BYTES} characters, and here is one of {long}"
        )),
        _ => Ok(()),
    }
}

/// What is wrong with a secret, without a word of it.
pub(crate) fn check_secret(secret: &[u8]) -> Result<(), String> {
    match secret.len() {
        short if short < MIN_SECRET_BYTES => Err(format!(
            "it has {short} bytes, and HS256 takes no fewer than {MIN_SECRET_BYTES} (RFC 7518 §3.2): \
             `openssl rand -base64 48` prints a good one"
        )),
        _ => Ok(()),
    }
}
