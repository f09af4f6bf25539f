//! The keys, from the configuration, its files and the data folder.

use std::path::{Path, PathBuf};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};

use crate::config::{
    AuthConfig, MIN_SECRET_BYTES, PrivateFileError, SecretSource, check_api_key, check_secret, read_private,
};
use crate::data_dir::{DataDir, DataDirError};
use crate::token::BearerDigest;

/// The secret's file in the data folder.
const SECRET_FILE: &str = "token.key";

/// RFC 8410 §3.
const ED25519_OID: &str = "1.3.101.112";
const ED25519_PUBLIC_KEY_BYTES: usize = 32;

/// Why the keys cannot be used. Each names the file and a way on.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// A file is missing, or not for this user, or for everybody.
    #[error("cannot use {path}, which `{key}` names: {source}")]
    File {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: PrivateFileError,
    },
    /// A file holds something else than what belongs into it.
    #[error("{path}, which `{key}` names, is not valid: {reason}")]
    Content {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, without a word of the content.
        reason: String,
    },
    /// The server makes the secret when it starts; another program must not make one of its own.
    #[error(
        "{path} is not there: the server makes it when it is first started with API keys. Is this its data folder, and this its user?"
    )]
    NoSecretYet {
        /// Where it should be.
        path: PathBuf,
    },
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

/// What happens where a secret is needed and there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MissingSecret {
    Make,
    Fail,
}

/// A key that tokens are signed with.
pub(super) struct Signer {
    pub(super) algorithm: Algorithm,
    pub(super) key: EncodingKey,
}

/// A key that tokens are verified with, and the one algorithm that it is for.
pub(super) struct Verifier {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// All of them.
pub(super) struct Keys {
    /// Those of programs, digested.
    pub(super) api: Vec<BearerDigest>,
    pub(super) signer: Option<Signer>,
    pub(super) verifiers: Vec<Verifier>,
}

impl Keys {
    pub(super) fn load(config: &AuthConfig, data: &DataDir, missing: MissingSecret) -> Result<Self, AuthError> {
        let api = api_keys(config)?;
        let mut verifiers = Vec::new();
        let mut signer = None;
        if let Some(secret) = secret(config, !api.is_empty(), data, missing)? {
            verifiers.push(Verifier {
                algorithm: Algorithm::HS256,
                key: DecodingKey::from_secret(&secret),
            });
            signer = Some(Signer {
                algorithm: Algorithm::HS256,
                key: EncodingKey::from_secret(&secret),
            });
        }
        if let Some(path) = &config.signing_key_file {
            let (private, public) = key_pair(path)?;
            verifiers.push(public);
            signer = Some(private);
        }
        for path in &config.public_key_files {
            verifiers.push(public_key(path)?);
        }
        Ok(Self { api, signer, verifiers })
    }
}

fn api_keys(config: &AuthConfig) -> Result<Vec<BearerDigest>, AuthError> {
    let mut keys: Vec<_> = config
        .api_keys
        .iter()
        .map(|key| BearerDigest::of(key.reveal()))
        .collect();
    let Some(path) = &config.api_keys_file else {
        return Ok(keys);
    };
    let setting = "auth.api_keys_file";
    let text =
        String::from_utf8(private(setting, path)?).map_err(|_| content(setting, path, "it is no text in UTF-8"))?;
    let lines = text.lines().map(str::trim).enumerate();
    let mut found = false;
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        check_api_key(line).map_err(|reason| content(setting, path, format!("line {}: {reason}", number + 1)))?;
        keys.push(BearerDigest::of(line));
        found = true;
    }
    // An empty file would otherwise open a server that its operator meant to close.
    if found {
        Ok(keys)
    } else {
        Err(content(setting, path, "there is no key in it"))
    }
}

/// The configured secret; or, where API keys have to make tokens and no other key can sign them, the server's own.
fn secret(
    config: &AuthConfig,
    has_api_keys: bool,
    data: &DataDir,
    missing: MissingSecret,
) -> Result<Option<Vec<u8>>, AuthError> {
    match &config.secret {
        Some(SecretSource::Text(secret)) => return Ok(Some(secret.reveal().as_bytes().to_vec())),
        Some(SecretSource::File(path)) => {
            let setting = "auth.secret_file";
            let bytes = private(setting, path)?;
            // Editors and `echo` end a file with a line break that nobody means.
            let bytes = bytes.trim_ascii_end();
            check_secret(bytes).map_err(|reason| content(setting, path, reason))?;
            return Ok(Some(bytes.to_vec()));
        }
        None if !has_api_keys || config.signing_key_file.is_some() => return Ok(None),
        None => {}
    }
    let path = data.join(SECRET_FILE);
    match (data.read(SECRET_FILE)?, missing) {
        (Some(bytes), _) if bytes.len() == MIN_SECRET_BYTES => Ok(Some(bytes)),
        (Some(bytes), _) => Err(AuthError::DataDir(DataDirError::Damaged {
            path,
            reason: format!("it has {} bytes instead of {MIN_SECRET_BYTES}", bytes.len()),
        })),
        (None, MissingSecret::Fail) => Err(AuthError::NoSecretYet { path }),
        (None, MissingSecret::Make) => {
            let made: [u8; MIN_SECRET_BYTES] = rand::random();
            data.write_private(SECRET_FILE, &made)?;
            tracing::info!(path = %path.display(), "secret for tokens made");
            Ok(Some(made.to_vec()))
        }
    }
}

fn key_pair(path: &Path) -> Result<(Signer, Verifier), AuthError> {
    let setting = "auth.signing_key_file";
    let wrong = || {
        let reason =
            "it must be an Ed25519 private key, PKCS#8 in PEM: `openssl genpkey -algorithm ed25519` prints one";
        content(setting, path, reason)
    };
    let der = PrivatePkcs8KeyDer::from_pem_slice(&private(setting, path)?).map_err(|_| wrong())?;
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519).map_err(|_| wrong())?;
    let signer = Signer {
        algorithm: Algorithm::EdDSA,
        key: EncodingKey::from_ed_der(der.secret_pkcs8_der()),
    };
    let verifier = Verifier {
        algorithm: Algorithm::EdDSA,
        key: DecodingKey::from_ed_der(pair.public_key_raw()),
    };
    Ok((signer, verifier))
}

fn public_key(path: &Path) -> Result<Verifier, AuthError> {
    let setting = "auth.public_key_files";
    let wrong = || {
        let reason = "it must be an Ed25519 public key in PEM: `openssl pkey -pubout` makes it of a private one";
        content(setting, path, reason)
    };
    let pem = std::fs::read(path).map_err(|error| AuthError::File {
        key: setting,
        path: path.to_owned(),
        source: error.into(),
    })?;
    let der = SubjectPublicKeyInfoDer::from_pem_slice(&pem).map_err(|_| wrong())?;
    let (_, info) = SubjectPublicKeyInfo::from_der(&der).map_err(|_| wrong())?;
    let key: &[u8] = &info.subject_public_key.data;
    if info.algorithm.algorithm.to_id_string() != ED25519_OID || key.len() != ED25519_PUBLIC_KEY_BYTES {
        return Err(wrong());
    }
    Ok(Verifier {
        algorithm: Algorithm::EdDSA,
        key: DecodingKey::from_ed_der(key),
    })
}

fn private(key: &'static str, path: &Path) -> Result<Vec<u8>, AuthError> {
    read_private(path).map_err(|source| AuthError::File {
        key,
        path: path.to_owned(),
        source,
    })
}

fn content(key: &'static str, path: &Path, reason: impl Into<String>) -> AuthError {
    AuthError::Content {
        key,
        path: path.to_owned(),
        reason: reason.into(),
    }
}
