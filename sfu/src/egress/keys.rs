//! The keys that DTLS agreed on for SRTP (RFC 5764 §4.2), for whoever seals media beside the engine.
//!
//! The engine hands them to nobody, but takes its DTLS from a provider of ours. [`provider`] stands before the real one
//! and notes the keys as they pass. Providers are static, and know no peer: the keys are handed over in the thread, from
//! the poll of an engine in which they appeared to [`take`] right after it.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::Instant;

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
    let tap = TAP.get_or_init(|| Tap(real.dtls_provider));
    CryptoProvider {
        dtls_provider: tap,
        ..real
    }
}

#[derive(Debug)]
struct Tap(&'static dyn DtlsProvider);

impl DtlsProvider for Tap {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.0.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = self.0.new_dtls(certificate, now, version, mtu)?;
        Ok(Box::new(Tapped(inner)))
    }
}

#[derive(Debug)]
struct Tapped(Box<dyn DtlsInstance>);

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
