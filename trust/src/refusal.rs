//! Finding out that a request failed because of the server's certificate, below the wrapping of HTTP and WebSocket libraries.

use std::error::Error;
use std::fmt;

use rustls::CertificateError;

use crate::TrustError;

/// Why a handshake ended at the certificate.
#[derive(Debug, Clone, Copy)]
pub enum Refusal<'a> {
    /// It is not the one that was expected.
    Distrusted(&'a TrustError),
    /// It is no good for anybody.
    Invalid(&'a CertificateError),
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Distrusted(error) => error.fmt(f),
            Self::Invalid(reason) => write!(f, "the server's certificate is not valid: {reason}"),
        }
    }
}

impl<'a> Refusal<'a> {
    /// The certificate's refusal, if that is what `error` comes from.
    pub fn behind(error: &'a (dyn Error + 'static)) -> Option<Self> {
        std::iter::successors(Some(error), |error| cause(*error)).find_map(|error| {
            match error.downcast_ref::<rustls::Error>()? {
                rustls::Error::Other(other) => other.0.downcast_ref().map(Self::Distrusted),
                rustls::Error::InvalidCertificate(reason) => Some(Self::Invalid(reason)),
                _ => None,
            }
        })
    }
}

/// One level down. hyper and rustls wrap their errors in [`std::io::Error`], whose `source` leaves out the one wrapped.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;
    use crate::Fingerprint;

    fn changed() -> TrustError {
        TrustError::Changed {
            authority: "hall.example:8443".to_owned(),
            expected: Fingerprint::of(b"first"),
            received: Fingerprint::of(b"other"),
            file: "known_servers".to_owned(),
        }
    }

    #[test]
    fn it_is_found_below_what_other_libraries_wrapped_around_it() {
        let handshake = rustls::Error::Other(OtherError(Arc::new(changed())));
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, handshake));
        let refusal = Refusal::behind(&wrapped).expect("a refusal");
        assert!(matches!(refusal, Refusal::Distrusted(TrustError::Changed { .. })));
        assert!(refusal.to_string().contains("WARNING"));
    }

    #[test]
    fn a_certificate_that_is_good_for_nobody_says_why() {
        let error = rustls::Error::InvalidCertificate(CertificateError::Revoked);
        let words = Refusal::behind(&error).expect("a refusal").to_string();
        assert!(words.contains("not valid"), "{words}");
    }

    #[test]
    fn other_failures_are_none() {
        assert!(Refusal::behind(&io::Error::from(io::ErrorKind::ConnectionRefused)).is_none());
        assert!(Refusal::behind(&rustls::Error::HandshakeNotComplete).is_none());
    }
}
