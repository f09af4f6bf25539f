//! The keys that DTLS agreed on for SRTP (RFC 5764 §4.2), for whoever seals media beside the engine.
//!
//! The engine hands them to nobody, but takes its DTLS from a provider of ours. [`provider`] wraps what the engine's own one
//! would make, and notes the keys as they pass. Providers are static, and know no peer: the keys are handed over in the
//! thread, from the poll of an engine in which they appeared to [`take`] right after it.
//!
//! Settings are made once. The engine's own provider makes them anew for every peer, and each time all cryptography is put
//! to the test, with key exchanges in three groups: more work than the handshake itself.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use dimpl::{Config, Dtls, DtlsCertificate};
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial, ProtocolVersion,
    SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider};

thread_local! {
    static AGREED: RefCell<Option<Keys>> = const { RefCell::new(None) };
}

/// What one DTLS handshake agreed on.
pub(crate) struct Keys {
    pub(super) material: KeyingMaterial,
    pub(super) profile: SrtpProfile,
    /// We were the DTLS client, and write with the client's keys.
    pub(super) is_client: bool,
}

/// The keys that an engine of this thread agreed on since the last call.
pub(crate) fn take() -> Option<Keys> {
    AGREED.take()
}

/// The platform's cryptography, with a note of the keys taken.
pub(crate) fn provider() -> CryptoProvider {
    static TAP: OnceLock<Tap> = OnceLock::new();
    let real = str0m::crypto::from_feature_flags();
    let tap = TAP.get_or_init(|| Tap {
        real: real.dtls_provider,
        settings: Mutex::default(),
    });
    CryptoProvider {
        dtls_provider: tap,
        ..real
    }
}

#[derive(Debug)]
struct Tap {
    real: &'static dyn DtlsProvider,
    settings: Mutex<Option<Settings>>,
}

/// What all connections over paths that carry `mtu` bytes have in common.
struct Settings {
    mtu: Option<usize>,
    config: Arc<Config>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("mtu", &self.mtu)
            .finish_non_exhaustive()
    }
}

impl Settings {
    fn new(mtu: Option<usize>) -> Result<Self, CryptoError> {
        // Without a cookie: ICE has shown already that the remote is where it says it is (RFC 8445 §7).
        let mut config = Config::builder().use_server_cookie(false);
        if let Some(mtu) = mtu {
            config = config.mtu(mtu);
        }
        let config = config
            .build()
            .map_err(|error| CryptoError::Other(format!("DTLS settings: {error}")))?;
        Ok(Self {
            mtu,
            config: Arc::new(config),
        })
    }
}

impl Tap {
    /// Made the first time that they are asked for. All peers' engines are set up alike, so that they are kept for one MTU.
    fn config(&self, mtu: Option<usize>) -> Result<Arc<Config>, CryptoError> {
        let mut known = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(settings) = known.as_ref().filter(|settings| settings.mtu == mtu) {
            return Ok(settings.config.clone());
        }
        let settings = Settings::new(mtu)?;
        Ok(known.insert(settings).config.clone())
    }
}

impl DtlsProvider for Tap {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.real.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let make = match version {
            DtlsVersion::Dtls12 => Dtls::new_12,
            DtlsVersion::Dtls13 => Dtls::new_13,
            DtlsVersion::Auto => Dtls::new_auto,
            _ => return Err(CryptoError::Other(format!("DTLS {version} is not known"))),
        };
        let certificate = DtlsCertificate {
            certificate: certificate.certificate.clone(),
            private_key: certificate.private_key.clone(),
        };
        Ok(Box::new(Tapped(make(self.config(mtu)?, certificate, now))))
    }
}

struct Tapped(Dtls);

impl std::fmt::Debug for Tapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tapped(..)")
    }
}

impl DtlsInstance for Tapped {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.0.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            let keys = Keys {
                material: KeyingMaterial::new(material),
                profile: *profile,
                is_client: self.0.is_active(),
            };
            AGREED.set(Some(keys));
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
