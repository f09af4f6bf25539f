//! Whether the server's own media port can be reached where it says that it is: a connectivity check (RFC 8445 §7.2.4) to
//! each advertised address, by UDP and by TCP, as a viewer would send it.
//!
//! It is sent from this machine, so that it finds a wrong address, a port that is not forwarded and a firewall on the way
//! out and back in. A firewall between the server and its viewers it cannot find.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use footlight_protocol::{Connection, SessionId, UserId};
use futures_util::future::join_all;
use is::stun::{StunMessage, TransId};
use is::{DefaultSha1HmacProvider, Sha1HmacProvider as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::media::{Media, MediaError, Muted, PeerRequest};

/// How long an answer may take. It comes from this machine or from its router.
const TIMEOUT: Duration = Duration::from_millis(600);

/// By UDP a request is sent again, because one may be lost.
const RESEND_AFTER: Duration = Duration::from_millis(200);

/// A connectivity check and its answer are some 100 bytes each.
const BUFFER_BYTES: usize = 1500;

/// The offer of a viewer that will never come: its ICE credentials are all that the test needs of it.
const OFFER: &str = include_str!("self_test.sdp");
const OFFERED_UFRAG: &str = "selftest";

/// UDP or TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The usual way.
    Udp,
    /// For networks that block UDP (RFC 6544).
    Tcp,
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

/// An address that viewers are told and that does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// The address.
    pub address: SocketAddr,
    /// By which of the two.
    pub transport: Transport,
    /// What the system said, or that nothing came.
    pub reason: String,
}

impl std::fmt::Display for Unreachable {
    /// What happened, and what to do about it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            address,
            transport,
            reason,
        } = self;
        write!(f, "Media cannot be reached at {address} by {transport}: {reason}. ")?;
        let (ip, port) = (address.ip(), address.port());
        if is_private(ip) {
            write!(f, "Let {transport} port {port} through this machine's firewall, ")?;
        } else {
            write!(
                f,
                "Forward {transport} port {port} to this machine and let it through the firewall, "
            )?;
        }
        write!(f, "or name the address that viewers can reach with --advertise.")
    }
}

/// Checks every advertised address; gives those that do not answer.
pub async fn run(media: &Media, tcp: bool) -> Result<Vec<Unreachable>, MediaError> {
    let request = PeerRequest {
        session: SessionId::try_from("self-test".to_owned()).expect("the constant is a valid id"),
        user: UserId::try_from("self-test".to_owned()).expect("the constant is a valid id"),
        connection: Connection::Subscribe,
        offer: OFFER.replace('\n', "\r\n"),
        sources: None,
        muted: Muted::default(),
    };
    let accepted = media.accept(request).await?;
    let mut unreachable = Vec::new();
    if let Some(credentials) = Credentials::of(&accepted.answer) {
        let credentials = &credentials;
        let checks = media.candidates().iter().flat_map(|&address| {
            let transports = [Some(Transport::Udp), tcp.then_some(Transport::Tcp)];
            transports
                .into_iter()
                .flatten()
                .map(move |transport| check(address, transport, credentials))
        });
        unreachable.extend(join_all(checks).await.into_iter().flatten());
    }
    media.close(accepted.peer);
    Ok(unreachable)
}

async fn check(address: SocketAddr, transport: Transport, credentials: &Credentials) -> Option<Unreachable> {
    let attempt = async {
        match transport {
            Transport::Udp => by_udp(address, credentials).await,
            Transport::Tcp => by_tcp(address, credentials).await,
        }
    };
    let error = timeout(TIMEOUT, attempt)
        .await
        .unwrap_or_else(|_| Err(no_answer()))
        .err()?;
    Some(Unreachable {
        address,
        transport,
        reason: error.to_string(),
    })
}

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "nothing answered")
}

struct Credentials {
    ufrag: String,
    pwd: String,
}

impl Credentials {
    fn of(answer: &str) -> Option<Self> {
        let attribute = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some(Self {
            ufrag: attribute("a=ice-ufrag:")?.to_owned(),
            pwd: attribute("a=ice-pwd:")?.to_owned(),
        })
    }

    fn binding_request(&self) -> io::Result<Vec<u8>> {
        let username = format!("{}:{OFFERED_UFRAG}", self.ufrag);
        // Without USE-CANDIDATE: nothing is nominated, and nothing begins.
        let request = StunMessage::binding_request(&username, TransId::new(), true, 1, 1, false);
        let mut buffer = vec![0; BUFFER_BYTES];
        let sha1 = |key: &[u8], parts: &[&[u8]]| DefaultSha1HmacProvider.sha1_hmac(key, parts);
        let length = request
            .to_bytes(Some(self.pwd.as_bytes()), &mut buffer, sha1)
            .map_err(io::Error::other)?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

fn is_answer(datagram: &[u8]) -> bool {
    StunMessage::parse(datagram).is_ok_and(|message| message.is_successful_binding_response())
}

async fn by_udp(address: SocketAddr, credentials: &Credentials) -> io::Result<()> {
    let any: IpAddr = if address.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        socket.send(&credentials.binding_request()?).await?;
        match timeout(RESEND_AFTER, socket.recv(&mut buffer)).await {
            Ok(Ok(length)) if is_answer(&buffer[..length]) => return Ok(()),
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => return Err(error),
        }
    }
}

/// Each message with its length before it (RFC 4571 §2).
async fn by_tcp(address: SocketAddr, credentials: &Credentials) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let request = credentials.binding_request()?;
    let mut framed = (request.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(&request);
    stream.write_all(&framed).await?;
    loop {
        let length = usize::from(stream.read_u16().await?);
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await?;
        if is_answer(&message) {
            return Ok(());
        }
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_reached_is_said_with_what_to_do() {
        let at = |address: &str| Unreachable {
            address: address.parse().expect("an address"),
            transport: Transport::Udp,
            reason: no_answer().to_string(),
        };
        let public = at("203.0.113.7:8444").to_string();
        assert!(
            public.contains("203.0.113.7:8444 by UDP") && public.contains("Forward UDP port 8444"),
            "{public}"
        );
        let private = at("192.168.1.2:8444").to_string();
        assert!(
            !private.contains("Forward") && private.contains("--advertise"),
            "{private}"
        );
    }

    #[test]
    fn the_request_is_one_that_ice_takes() {
        let credentials = Credentials::of("v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n");
        let request = credentials.expect("both are there").binding_request().expect("encodes");
        let message = StunMessage::parse(&request).expect("is STUN");
        assert!(message.is_binding_request());
        assert_eq!(message.split_username(), Some(("abcd", OFFERED_UFRAG)));
        let sha1 = |key: &[u8], parts: &[&[u8]]| DefaultSha1HmacProvider.sha1_hmac(key, parts);
        assert!(message.verify(b"0123456789012345678901", sha1));
    }
}
