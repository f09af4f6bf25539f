//! Certificates, through a real TLS handshake.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use footlight_client::pipeline::{PipelineConfig, VideoSource};
use footlight_client::publish::{PublishConfig, PublishError, Publisher, SignalingError};
use footlight_client::trust::{Fingerprint, Trust};
use footlight_client::units::Resolution;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the server says to everybody who gets through the handshake.
const TEAPOT: &[u8] = b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A TLS server with a self-signed certificate, for one connection.
fn serve_once() -> (SocketAddr, Fingerprint) {
    let identity = str0m::crypto::from_feature_flags().dtls_provider.generate_certificate();
    let identity = identity.expect("a certificate");
    let fingerprint = Fingerprint::of(&identity.certificate);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(identity.certificate)],
            PrivatePkcs8KeyDer::from(identity.private_key).into(),
        )
        .expect("a certificate that fits its key");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let connection = ServerConnection::new(Arc::new(config)).expect("a server");
        let mut tls = StreamOwned::new(connection, stream);
        let mut request = [0; 4096];
        // A client that does not believe the certificate leaves here.
        if tls.read(&mut request).is_ok_and(|length| length > 0) {
            let _ = tls.write_all(TEAPOT);
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
    });
    (address, fingerprint)
}

async fn outcome(address: SocketAddr, fingerprint: Option<Fingerprint>) -> SignalingError {
    let config = PublishConfig {
        address: format!("https://{address}").parse().expect("an address"),
        resume: None,
        title: None,
        username: None,
        pipeline: PipelineConfig {
            video: Some(VideoSource::Pattern),
            audio: None,
            size: Resolution::new(160, 96),
            ..PipelineConfig::default()
        },
        trust: Trust {
            fingerprint,
            known_servers: None,
        },
    };
    match Publisher::start(config).await.expect_err("a teapot makes no sessions") {
        PublishError::Signaling(error) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_self_signed_server_on_this_machine_is_believed() {
    let (address, _) = serve_once();
    let error = outcome(address, None).await;
    assert!(matches!(error, SignalingError::Refused { status: 418, .. }), "{error}");
}

#[tokio::test]
async fn the_certificate_that_was_named_is_believed() {
    let (address, fingerprint) = serve_once();
    let error = outcome(address, Some(fingerprint)).await;
    assert!(matches!(error, SignalingError::Refused { status: 418, .. }), "{error}");
}

#[tokio::test]
async fn another_certificate_than_the_one_named_is_refused_even_on_this_machine() {
    let (address, fingerprint) = serve_once();
    let error = outcome(address, Some(Fingerprint::of(b"another"))).await;
    assert!(matches!(error, SignalingError::Untrusted(_)), "{error}");
    assert!(error.to_string().contains(&fingerprint.to_string()), "{error}");
}
