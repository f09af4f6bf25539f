//! The connectivity check by way of the server's own relay: as a browser would, with credentials like any participant's.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use footlight_protocol::IceServer;
use md5::{Digest as _, Md5};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{BUFFER_BYTES, Credentials, RESEND_AFTER, is_answer};
use crate::tls::fingerprint_of;
use crate::turn::REALM;
use crate::turn::message::{Class, HEADER, Message, Method, Writer, attribute};

/// UDP in REQUESTED-TRANSPORT (RFC 8656 §18.7).
const UDP: [u8; 4] = [17, 0, 0, 0];

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The way to the relay.
pub(super) enum Link {
    Udp(UdpSocket),
    Stream(Box<dyn Stream>),
}

impl Link {
    pub(super) async fn udp(relay: SocketAddr) -> io::Result<Self> {
        Ok(Self::Udp(super::udp_to(relay).await?))
    }

    pub(super) async fn tcp(relay: SocketAddr) -> io::Result<Self> {
        Ok(Self::Stream(Box::new(TcpStream::connect(relay).await?)))
    }

    /// To whoever shows the certificate of this fingerprint.
    pub(super) async fn tls(relay: SocketAddr, fingerprint: &str) -> io::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Own {
            fingerprint: fingerprint.to_owned(),
            provider: provider.clone(),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let name = ServerName::IpAddress(relay.ip().into());
        let stream = TcpStream::connect(relay).await?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        Ok(Self::Stream(Box::new(stream)))
    }

    /// Sends, again and again where it may be lost, until an answer is what is waited for.
    async fn ask<T>(&mut self, message: &[u8], wanted: impl Fn(&Message<'_>) -> Option<T>) -> io::Result<T> {
        let mut buffer = [0; BUFFER_BYTES];
        match self {
            Self::Udp(socket) => loop {
                socket.send(message).await?;
                match timeout(RESEND_AFTER, socket.recv(&mut buffer)).await {
                    Ok(Ok(length)) => {
                        if let Some(found) = Message::parse(&buffer[..length]).as_ref().and_then(&wanted) {
                            return Ok(found);
                        }
                    }
                    Ok(Err(error)) => return Err(error),
                    Err(_) => {}
                }
            },
            Self::Stream(stream) => {
                stream.write_all(message).await?;
                stream.flush().await?;
                loop {
                    stream.read_exact(&mut buffer[..HEADER]).await?;
                    let length = HEADER + usize::from(u16::from_be_bytes([buffer[2], buffer[3]]));
                    let rest = buffer.get_mut(HEADER..length).ok_or(io::ErrorKind::InvalidData)?;
                    stream.read_exact(rest).await?;
                    if let Some(found) = Message::parse(&buffer[..length]).as_ref().and_then(&wanted) {
                        return Ok(found);
                    }
                }
            }
        }
    }
}

/// A participant who knows the relay's credentials.
struct Login<'a> {
    username: &'a str,
    key: [u8; 16],
    nonce: Vec<u8>,
}

impl Login<'_> {
    fn signed(&self, method: Method, more: impl FnOnce(Writer) -> Writer) -> Vec<u8> {
        let writer = Writer::new(method, Class::Request, rand::random())
            .attribute(attribute::USERNAME, self.username.as_bytes())
            .attribute(attribute::REALM, REALM.as_bytes())
            .attribute(attribute::NONCE, &self.nonce);
        more(writer).finish(Some(&self.key))
    }
}

/// Sends a connectivity check to `peer`, which is ourselves, by the relay at the other end of `link`.
pub(super) async fn check(
    mut link: Link,
    server: &IceServer,
    peer: SocketAddr,
    credentials: &Credentials,
) -> io::Result<()> {
    let (Some(username), Some(password)) = (&server.username, &server.credential) else {
        return Err(io::Error::other("there are no credentials for it"));
    };
    let allocate = |writer: Writer| {
        let family = if peer.is_ipv4() { 1 } else { 2 };
        writer
            .attribute(attribute::REQUESTED_TRANSPORT, &UDP)
            .attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0])
    };
    let bare = allocate(Writer::new(Method::Allocate, Class::Request, rand::random())).finish(None);
    let nonce = |answer: &Message<'_>| answer.attribute(attribute::NONCE).map(<[u8]>::to_vec);
    let login = Login {
        username,
        key: Md5::digest(format!("{username}:{REALM}:{password}")).into(),
        nonce: link.ask(&bare, nonce).await?,
    };
    let permit = |writer: Writer| writer.address(attribute::XOR_PEER_ADDRESS, peer);
    let requests = [
        (Method::Allocate, login.signed(Method::Allocate, allocate)),
        (Method::CreatePermission, login.signed(Method::CreatePermission, permit)),
    ];
    for (method, request) in requests {
        let done = |answer: &Message<'_>| {
            let of_this = answer.method() == Some(method);
            of_this.then(|| match answer.attribute(attribute::ERROR_CODE) {
                Some([_, _, class, number]) => Err(format!("it answers {class}{number:02}")),
                _ => Ok(()),
            })
        };
        link.ask(&request, done).await?.map_err(io::Error::other)?;
    }
    let send = Writer::new(Method::Send, Class::Indication, rand::random())
        .address(attribute::XOR_PEER_ADDRESS, peer)
        .attribute(attribute::DATA, &credentials.binding_request()?)
        .finish(None);
    let answered = |answer: &Message<'_>| {
        answer
            .attribute(attribute::DATA)
            .filter(|data| is_answer(data))
            .map(drop)
    };
    link.ask(&send, answered).await
}

/// Believes one certificate, our own.
#[derive(Debug)]
struct Own {
    fingerprint: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Own {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if fingerprint_of(end_entity) == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
