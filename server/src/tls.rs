//! The certificate: made on the first start and kept, or the operator's own.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::config::TlsMode;
use crate::data_dir::{DataDir, DataDirError};

const CERTIFICATE_FILE: &str = "certificate.pem";
const KEY_FILE: &str = "certificate.key";

/// Apple's limit for certificates, 825 days, less a margin.
const VALIDITY: Duration = Duration::from_hours(800 * 24);

/// A clock that is a little behind must not find a certificate of the future.
const BACKDATING: Duration = Duration::from_hours(24);

/// A certificate that ends sooner than this is made anew at a start.
const RENEWAL: Duration = Duration::from_hours(14 * 24);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the operator's is missing or unreadable.
    #[error("cannot read the {what} {path}: {reason}. Check --tls, or leave it out for a self-signed certificate")]
    Read {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// They do not belong together, or are of a kind that rustls does not take.
    #[error("the certificate {certificate} and the key {key} cannot be used: {source}")]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The certificate could not be made.
    #[error("a self-signed certificate could not be made: {0}. Give one with --tls CERT KEY, or use --no-tls")]
    Make(#[from] rcgen::Error),
}

/// What the server shows to its clients.
#[derive(Debug, Clone)]
pub struct Identity {
    /// For the listener.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate, as browsers and `footlight --fingerprint` show it: `AB:CD:…`.
    pub fingerprint: String,
}

/// Loads the operator's certificate, or the server's own, which is made where it is missing, expired or without a name that
/// this machine has now. `None` without TLS.
pub fn identity(mode: &TlsMode, data: &DataDir, names: &Names) -> Result<Option<Identity>, TlsError> {
    match mode {
        TlsMode::Off => Ok(None),
        TlsMode::Files { certificate, key } => load(certificate, key).map(Some),
        TlsMode::SelfSigned => self_signed(data, names).map(Some),
    }
}

fn self_signed(data: &DataDir, names: &Names) -> Result<Identity, TlsError> {
    let (certificate, key) = (data.join(CERTIFICATE_FILE), data.join(KEY_FILE));
    // Kept as long as possible: whoever trusted it once, on a phone with three taps, would have to do so again.
    if let Ok(pem) = std::fs::read(&certificate)
        && still_good(&pem, names, SystemTime::now())
        && let Ok(identity) = load(&certificate, &key)
    {
        return Ok(identity);
    }
    let (certificate_pem, key_pem) = make(names, SystemTime::now())?;
    data.write_private(KEY_FILE, key_pem.as_bytes())?;
    data.write_private(CERTIFICATE_FILE, certificate_pem.as_bytes())?;
    tracing::info!(path = %certificate.display(), "self-signed certificate made");
    load(&certificate, &key)
}

fn make(names: &Names, now: SystemTime) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    for host in &names.hosts {
        params
            .subject_alt_names
            .push(SanType::DnsName(host.clone().try_into()?));
    }
    params
        .subject_alt_names
        .extend(names.addresses.iter().copied().map(SanType::IpAddress));
    params.distinguished_name.push(DnType::CommonName, "Footlight");
    params.not_before = (now - BACKDATING).into();
    params.not_after = (now + VALIDITY).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn still_good(pem: &[u8], names: &Names, now: SystemTime) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(pem) else {
        return false;
    };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
        return false;
    };
    let ends = certificate.validity().not_after.timestamp();
    let renewed_at = (now + RENEWAL)
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(renewed_at.as_secs()).is_ok_and(|at| at < ends) && names.are_in(&certificate)
}

fn load(certificate: &Path, key: &Path) -> Result<Identity, TlsError> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable("certificate", certificate, &error))?;
    let Some(own) = chain.first() else {
        let reason = "it contains no certificate in PEM form".to_owned();
        let (what, path) = ("certificate", certificate.to_owned());
        return Err(TlsError::Read { what, path, reason });
    };
    let fingerprint = fingerprint_of(own);
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("key", key, &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|source| TlsError::Unusable {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            source,
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Identity {
        config: Arc::new(config),
        fingerprint,
    })
}

fn unreadable(what: &'static str, path: &Path, error: &rustls::pki_types::pem::Error) -> TlsError {
    let reason = match error {
        rustls::pki_types::pem::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            "there is no such file".to_owned()
        }
        rustls::pki_types::pem::Error::NoItemsFound => format!("it contains no {what} in PEM form"),
        other => other.to_string(),
    };
    let path = path.to_owned();
    TlsError::Read { what, path, reason }
}

/// As browsers show it: `AB:CD:…`.
pub(crate) fn fingerprint_of(certificate: &CertificateDer<'_>) -> String {
    let digest = Sha256::digest(certificate);
    let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

/// What a self-signed certificate stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    hosts: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
}

impl Names {
    /// This machine's host name and these addresses, and what every machine calls itself.
    pub fn of_this_machine(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let hostname = gethostname::gethostname().to_string_lossy().to_lowercase();
        let is_dns_name = !hostname.is_empty()
            && hostname
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.'));
        let hosts = ["localhost".to_owned()]
            .into_iter()
            .chain(is_dns_name.then(|| hostname.clone()))
            // Multicast DNS (RFC 6762 §3): how phones on the same network find it.
            .chain((is_dns_name && !hostname.contains('.')).then(|| format!("{hostname}.local")));
        Self {
            hosts: hosts.collect(),
            addresses: addresses.into_iter().collect(),
        }
    }

    fn are_in(&self, certificate: &X509Certificate<'_>) -> bool {
        let Ok(Some(extension)) = certificate.subject_alternative_name() else {
            return false;
        };
        let mut hosts = BTreeSet::new();
        let mut addresses = BTreeSet::new();
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(host) => drop(hosts.insert((*host).to_owned())),
                GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
                _ => {}
            }
        }
        self.hosts.is_subset(&hosts) && self.addresses.is_subset(&addresses)
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(addresses: &[&str]) -> Names {
        Names::of_this_machine(addresses.iter().map(|text| text.parse().expect("an address")))
    }

    fn data() -> (tempfile::TempDir, DataDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataDir::open(Some(folder.path())).expect("opens");
        (folder, data)
    }

    #[test]
    fn the_certificate_is_kept_between_starts() {
        let (_folder, data) = data();
        let first = self_signed(&data, &names(&["192.0.2.1"])).expect("makes");
        let second = self_signed(&data, &names(&["192.0.2.1"])).expect("loads");
        assert_eq!(first.fingerprint, second.fingerprint);
        assert_eq!(first.fingerprint.len(), 32 * 3 - 1);
    }

    #[test]
    fn it_is_kept_when_an_address_is_gone_and_made_anew_for_a_new_one() {
        let (_folder, data) = data();
        let first = self_signed(&data, &names(&["192.0.2.1", "2001:db8::1"])).expect("makes");
        let fewer = self_signed(&data, &names(&["192.0.2.1"])).expect("loads");
        assert_eq!(first.fingerprint, fewer.fingerprint);
        let other = self_signed(&data, &names(&["192.0.2.2"])).expect("makes");
        assert_ne!(first.fingerprint, other.fingerprint);
    }

    #[test]
    fn it_is_made_anew_before_it_expires() {
        let now = SystemTime::now();
        let names = names(&["192.0.2.1"]);
        let (pem, _) = make(&names, now).expect("makes");
        assert!(still_good(pem.as_bytes(), &names, now));
        assert!(still_good(
            pem.as_bytes(),
            &names,
            now + VALIDITY - RENEWAL - BACKDATING
        ));
        assert!(!still_good(
            pem.as_bytes(),
            &names,
            now + VALIDITY - RENEWAL + BACKDATING
        ));
        assert!(!still_good(b"no certificate", &names, now));
    }

    #[test]
    fn it_is_valid_for_less_than_825_days() {
        assert!(VALIDITY + BACKDATING < Duration::from_hours(825 * 24));
    }

    #[test]
    fn a_missing_file_is_named_with_a_way_on() {
        let (_folder, data) = data();
        let mode = TlsMode::Files {
            certificate: data.join("missing.pem"),
            key: data.join("missing.key"),
        };
        let error = identity(&mode, &data, &names(&[])).expect_err("missing").to_string();
        assert!(error.contains("missing.pem") && error.contains("--tls"), "{error}");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (_folder, data) = data();
        let names = names(&[]);
        let (certificate, _) = make(&names, SystemTime::now()).expect("makes");
        let (_, key) = make(&names, SystemTime::now()).expect("makes");
        data.write_private("a.pem", certificate.as_bytes()).expect("writes");
        data.write_private("b.key", key.as_bytes()).expect("writes");
        let mode = TlsMode::Files {
            certificate: data.join("a.pem"),
            key: data.join("b.key"),
        };
        assert!(matches!(identity(&mode, &data, &names), Err(TlsError::Unusable { .. })));
    }
}
