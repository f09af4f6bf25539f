//! Which servers' certificates are believed.
//!
//! A certificate that the platform believes is believed. A server at home or in a hall has a self-signed one, and for
//! those the rule of SSH holds: what is shown at the first contact is remembered, and anything else later is refused. That
//! the platform believed a server is remembered as well: from then on it is no first contact to show a certificate of
//! one's own making, or one that has expired. A server on this same machine needs no proof. Whoever wants no first contact
//! on faith gives the fingerprint beforehand.
//!
//! A crate of its own, because the app on a phone needs it without the capture code that the client library brings along.
//!
//! **The invariant to keep:** whatever is believed about a certificate, the handshake's signature is always checked, so
//! that nobody can show a certificate whose key they do not hold.

mod fingerprint;
mod known_servers;
mod refusal;

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme};

pub use fingerprint::{Fingerprint, FingerprintError};
pub use known_servers::{Identity, KnownServers};
pub use refusal::Refusal;

/// Why a server is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Not what it showed at the first contact.
    #[error(
        "WARNING: the certificate of {authority} has changed. Somebody may be pretending to be this server, or it was \
         set up anew.\n  expected {expected}\n  received {received}\nIf you know that it was set up anew, remove its \
         line from {file} and try again."
    )]
    Changed {
        /// `host:port`.
        authority: String,
        /// Remembered.
        expected: Fingerprint,
        /// Shown now.
        received: Fingerprint,
        /// The file that remembers.
        file: String,
    },
    /// The platform believed this server before, and does not believe what it shows now.
    #[error(
        "WARNING: the certificate of {authority} {}. Somebody may be pretending to be this server, or it {}.\n  expected \
         one that an authority vouches for\n  received {received}\nIf you know that it {}, remove its line from {file} \
         and try again.",
        if *.is_expired { "has expired" } else { "is none that an authority vouches for, as before" },
        mishap(*.is_expired),
        mishap(*.is_expired)
    )]
    NoLongerVouched {
        /// `host:port`.
        authority: String,
        /// Shown now.
        received: Fingerprint,
        /// Whether it is past its time. It may be a stranger's all the same: nobody vouches for what has expired.
        is_expired: bool,
        /// The file that remembers.
        file: String,
    },
    /// Not the one given beforehand.
    #[error("the certificate of {authority} is not the one you named\n  expected {expected}\n  received {received}")]
    NotTheOneGiven {
        /// `host:port`.
        authority: String,
        /// Given beforehand.
        expected: Fingerprint,
        /// Shown now.
        received: Fingerprint,
    },
    /// The first contact cannot be remembered, or earlier ones cannot be read.
    #[error("cannot tell whether {authority} is still the same server: {file}: {reason}")]
    NoMemory {
        /// `host:port`.
        authority: String,
        /// The file that should remember.
        file: String,
        /// From the file system.
        reason: String,
    },
}

/// What may have happened to an honest server.
fn mishap(is_expired: bool) -> &'static str {
    if is_expired {
        "was not renewed in time"
    } else {
        "was set up anew"
    }
}

/// What is known of a server before it is met.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Given beforehand; nothing else is then accepted.
    pub fingerprint: Option<Fingerprint>,
    /// Where first contacts and vouched-for servers are remembered. `None`: nowhere, and self-signed servers elsewhere are
    /// refused.
    pub known_servers: Option<KnownServers>,
}

impl Trust {
    /// The TLS configuration for talking to the server at `host` (as in its URL) and `authority` (`host:port`).
    ///
    /// The provider is named instead of taken from the process: a program that links both of rustls' providers has no
    /// default one.
    pub fn client_config(&self, host: &str, authority: &str) -> Result<ClientConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let platform = rustls_platform_verifier::Verifier::new(Arc::clone(&provider))
            .map_err(|error| tracing::debug!(%error, "no platform certificates"))
            .ok();
        let verifier = ServerVerifier {
            trust: self.clone(),
            host: host.trim_matches(['[', ']']).to_ascii_lowercase(),
            authority: authority.to_owned(),
            platform: platform.map(|platform| Arc::new(platform) as Arc<dyn ServerCertVerifier>),
            provider: Arc::clone(&provider),
        };
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth())
    }

    /// Remembers that the platform believes a server. Where that cannot be written down, it is believed all the same.
    fn remember_vouched(&self, host: &str, authority: &str) {
        let Some(known) = self.known_servers.as_ref().filter(|_| !is_loopback(host)) else {
            return;
        };
        if let Err(error) = known.vouch(authority) {
            let file = known.path().display();
            tracing::warn!(%error, server = authority, %file, "cannot remember that an authority vouches for this server");
        }
    }

    /// Decides on a certificate that the platform does not believe, because of `rejection`.
    fn judge_self_signed(
        &self,
        host: &str,
        authority: &str,
        received: Fingerprint,
        rejection: &Error,
    ) -> Result<(), TrustError> {
        if is_loopback(host) {
            return Ok(());
        }
        let no_memory = |file: String, reason: String| TrustError::NoMemory {
            authority: authority.to_owned(),
            file,
            reason,
        };
        let Some(known) = &self.known_servers else {
            return Err(no_memory(
                "known_servers".to_owned(),
                "there is no configuration folder".to_owned(),
            ));
        };
        let file = || known.path().display().to_string();
        match known
            .find(authority)
            .map_err(|error| no_memory(file(), error.to_string()))?
        {
            Some(Identity::Certificate(expected)) if expected == received => Ok(()),
            Some(Identity::Certificate(expected)) => Err(TrustError::Changed {
                authority: authority.to_owned(),
                expected,
                received,
                file: file(),
            }),
            Some(Identity::Vouched) => Err(TrustError::NoLongerVouched {
                authority: authority.to_owned(),
                received,
                is_expired: has_expired(rejection),
                file: file(),
            }),
            None => {
                known
                    .add(authority, Identity::Certificate(received))
                    .map_err(|error| no_memory(file(), error.to_string()))?;
                tracing::warn!(server = authority, fingerprint = %received, "first contact: remembering this server's certificate");
                Ok(())
            }
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[derive(Debug)]
struct ServerVerifier {
    trust: Trust,
    /// Lower case, without the brackets of an IPv6 address.
    host: String,
    authority: String,
    platform: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let refuse = |error: TrustError| Error::Other(OtherError(Arc::new(error)));
        let received = Fingerprint::of(end_entity);
        // A redirect may lead to another host, for which neither a given nor a remembered fingerprint speaks.
        let is_our_server = server_name.to_str().eq_ignore_ascii_case(&self.host);
        if let Some(expected) = self.trust.fingerprint.filter(|_| is_our_server) {
            if expected == received {
                return Ok(ServerCertVerified::assertion());
            }
            return Err(refuse(TrustError::NotTheOneGiven {
                authority: self.authority.clone(),
                expected,
                received,
            }));
        }
        let error = match &self.platform {
            Some(platform) => {
                match platform.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                    Ok(verified) => {
                        if is_our_server {
                            self.trust.remember_vouched(&self.host, &self.authority);
                        }
                        return Ok(verified);
                    }
                    Err(error) => error,
                }
            }
            None => Error::InvalidCertificate(CertificateError::UnknownIssuer),
        };
        if !is_our_server || was_withdrawn(&error) {
            return Err(error);
        }
        self.trust
            .judge_self_signed(&self.host, &self.authority, received, &error)
            .map(|()| ServerCertVerified::assertion())
            .map_err(refuse)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether an authority once vouched for the certificate and has taken that back; first contact is no cure for that.
fn was_withdrawn(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(CertificateError::Revoked | CertificateError::BadSignature)
    )
}

/// Whether a certificate is past its time.
fn has_expired(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })
    )
}

#[cfg(test)]
mod tests;
