//! Whether the server can be reached where it says that it is, and by which ways: a connectivity check (RFC 8445 §7.2.4) to
//! each advertised address, as a viewer would send it. By UDP and by TCP to the media port, by TCP to the port of the
//! pages, and by the relay on that port.
//!
//! It is sent from this machine, so that it finds a wrong address, a port that is not forwarded and a firewall on the way
//! out and back in. A firewall between the server and its viewers it cannot find.

mod relay;

use std::collections::BTreeSet;
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

use crate::Server;
use crate::media::{MediaError, Muted, PeerRequest};
use relay::Link;

/// How long an answer may take. It comes from this machine or from its router.
const TIMEOUT: Duration = Duration::from_millis(600);

/// By UDP a request is sent again, because one may be lost.
const RESEND_AFTER: Duration = Duration::from_millis(200);

/// A connectivity check and its answer are some 100 bytes each.
const BUFFER_BYTES: usize = 1500;

/// The offer of a viewer that will never come: its ICE credentials are all that the test needs of it.
const OFFER: &str = include_str!("offer.sdp");
const OFFERED_UFRAG: &str = "selftest";

/// How media may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The usual one.
    Udp,
    /// To the media port, for networks that block UDP (RFC 6544).
    Tcp,
    /// To the port of the pages, for networks that block unknown ports as well.
    PagesTcp,
    /// By the relay on the port of the pages.
    RelayUdp,
    /// The same.
    RelayTcp,
    /// For networks in which nothing but TLS gets through.
    RelayTls,
}

impl Way {
    fn transport(self) -> &'static str {
        match self {
            Self::Udp | Self::RelayUdp => "UDP",
            Self::Tcp | Self::PagesTcp | Self::RelayTcp | Self::RelayTls => "TCP",
        }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp | Self::PagesTcp => "TCP",
            Self::RelayUdp => "TURN over UDP",
            Self::RelayTcp => "TURN over TCP",
            Self::RelayTls => "TURN over TLS",
        })
    }
}

/// A way to an address that viewers are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// The address.
    pub address: SocketAddr,
    /// The way.
    pub way: Way,
    /// Where it leads nowhere: what the system said, or that nothing came.
    pub failure: Option<String>,
}

impl std::fmt::Display for Tested {
    /// What happened, and what to do about it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, way, failure } = self;
        let Some(reason) = failure else {
            return write!(f, "Media can be reached at {address} by {way}.");
        };
        write!(f, "Media cannot be reached at {address} by {way}: {reason}. ")?;
        let (ip, port, transport) = (address.ip(), address.port(), way.transport());
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

/// Ways by their port.
type Ways = BTreeSet<(Way, u16)>;

/// What was found at one address that viewers are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The address.
    pub address: IpAddr,
    /// The ways that lead to the server.
    working: Ways,
    /// Those that lead nowhere.
    failing: Ways,
}

impl Reach {
    /// The ways that work, in words; `none` where there is none.
    pub fn working(&self) -> String {
        in_words(&self.working)
    }

    /// The same of those that do not.
    pub fn failing(&self) -> String {
        in_words(&self.failing)
    }
}

impl std::fmt::Display for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, .. } = self;
        match (self.working.is_empty(), self.failing.is_empty()) {
            (true, _) => write!(f, "{address} by no way at all: viewers cannot use this address"),
            (false, true) => write!(f, "{address}, {}", self.working()),
            (false, false) => write!(f, "{address}, {}, but not {}", self.working(), self.failing()),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report(Vec<Tested>);

impl Report {
    /// Everything that was tried.
    pub fn all(&self) -> &[Tested] {
        &self.0
    }

    /// What leads nowhere.
    pub fn failures(&self) -> impl Iterator<Item = &Tested> {
        self.0.iter().filter(|tested| tested.failure.is_some())
    }

    /// The ways that lead to the server at one of its addresses at least, with their ports.
    pub fn working(&self) -> BTreeSet<(Way, u16)> {
        let working = self.0.iter().filter(|tested| tested.failure.is_none());
        working.map(|tested| (tested.way, tested.address.port())).collect()
    }

    /// What was found at each address, without those of the loopback interface: they work where nobody else gets in.
    pub fn by_address(&self) -> Vec<Reach> {
        let addresses: BTreeSet<_> = self.0.iter().map(|tested| tested.address.ip()).collect();
        let of = |address: IpAddr, fails: bool| {
            let tested = self.0.iter().filter(|tested| tested.address.ip() == address);
            let tested = tested.filter(|tested| tested.failure.is_some() == fails);
            tested.map(|tested| (tested.way, tested.address.port())).collect()
        };
        let others = addresses.into_iter().filter(|address| !address.is_loopback());
        others
            .map(|address| Reach {
                address,
                working: of(address, false),
                failing: of(address, true),
            })
            .collect()
    }
}

impl std::fmt::Display for Report {
    /// The ways that work, by port.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&in_words(&self.working()))
    }
}

/// `port 8444 by UDP, TCP; port 8443 by TCP`, or `none`.
fn in_words(found: &Ways) -> String {
    let mut ports: Vec<(u16, Vec<String>)> = Vec::new();
    for (way, port) in found {
        match ports.iter_mut().find(|(known, _)| known == port) {
            Some((_, ways)) => ways.push(way.to_string()),
            None => ports.push((*port, vec![way.to_string()])),
        }
    }
    if ports.is_empty() {
        return "none".to_owned();
    }
    let ports = ports.into_iter();
    let ports: Vec<String> = ports
        .map(|(port, ways)| format!("port {port} by {}", ways.join(", ")))
        .collect();
    ports.join("; ")
}

/// Checks every advertised address by every way that viewers are told.
pub async fn run(server: &Server) -> Result<Report, MediaError> {
    let media = server.media();
    let request = PeerRequest {
        session: SessionId::try_from("self-test".to_owned()).expect("the constant is a valid id"),
        user: UserId::try_from("self-test".to_owned()).expect("the constant is a valid id"),
        connection: Connection::Subscribe,
        offer: OFFER.replace('\n', "\r\n"),
        sources: None,
        muted: Muted::default(),
    };
    let accepted = media.accept(request).await?;
    let mut report = Report::default();
    if let Some(credentials) = Credentials::of(&accepted.answer) {
        let checks = ways_told(server, &accepted.answer);
        let checks = checks
            .into_iter()
            .map(|(address, way)| check(server, address, way, &credentials));
        report.0 = join_all(checks).await;
    }
    media.close(accepted.peer);
    Ok(report)
}

/// The candidates of an answer, and the relay at the same addresses.
fn ways_told(server: &Server, answer: &str) -> Vec<(SocketAddr, Way)> {
    let media_port = server.media().port();
    let mut ways: Vec<_> = answer
        .lines()
        .filter_map(|line| line.trim().strip_prefix("a=candidate:"))
        .filter_map(|candidate| {
            // RFC 8839 §5.1: foundation, component, transport, priority, address, port.
            let words: Vec<&str> = candidate.split(' ').collect();
            let address = SocketAddr::new(words.get(4)?.parse().ok()?, words.get(5)?.parse().ok()?);
            let way = match *words.get(2)? {
                "tcp" if address.port() == media_port => Way::Tcp,
                "tcp" => Way::PagesTcp,
                _ => Way::Udp,
            };
            Some((address, way))
        })
        .collect();
    let relay = server.own_relay();
    for address in server.relay_addresses() {
        let told = relay.iter().flat_map(|relay| &relay.urls).filter_map(|url| {
            let is_udp = url.ends_with("?transport=udp");
            match url.split_once(':')?.0 {
                "turns" => Some(Way::RelayTls),
                "turn" if is_udp => Some(Way::RelayUdp),
                "turn" => Some(Way::RelayTcp),
                _ => None,
            }
        });
        ways.extend(told.map(|way| (address, way)));
    }
    // Each media section has its own copy.
    ways.sort_by_key(|(address, way)| (*way, *address));
    ways.dedup();
    ways
}

async fn check(server: &Server, address: SocketAddr, way: Way, credentials: &Credentials) -> Tested {
    let attempt = async {
        match way {
            Way::Udp => by_udp(address, credentials).await,
            Way::Tcp | Way::PagesTcp => by_tcp(address, credentials).await,
            Way::RelayUdp => by_relay(server, Link::udp(address).await?, address, credentials).await,
            Way::RelayTcp => by_relay(server, Link::tcp(address).await?, address, credentials).await,
            Way::RelayTls => {
                let fingerprint = server.fingerprint().unwrap_or_default();
                by_relay(server, Link::tls(address, fingerprint).await?, address, credentials).await
            }
        }
    };
    let result = timeout(TIMEOUT, attempt).await.unwrap_or_else(|_| Err(no_answer()));
    Tested {
        address,
        way,
        failure: result.err().map(|error| error.to_string()),
    }
}

/// To the media port by way of the relay.
async fn by_relay(server: &Server, link: Link, address: SocketAddr, credentials: &Credentials) -> io::Result<()> {
    let own = server.own_relay().ok_or(io::ErrorKind::NotFound)?;
    let peer = SocketAddr::new(address.ip(), server.media().port());
    relay::check(link, &own, peer, credentials).await
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

async fn udp_to(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if address.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

async fn by_udp(address: SocketAddr, credentials: &Credentials) -> io::Result<()> {
    let socket = udp_to(address).await?;
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
        let at = |address: &str| Tested {
            address: address.parse().expect("an address"),
            way: Way::Udp,
            failure: Some(no_answer().to_string()),
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
    fn the_ways_that_work_are_told_by_port() {
        let tested = |address: &str, way, failure: Option<&str>| Tested {
            address: address.parse().expect("an address"),
            way,
            failure: failure.map(str::to_owned),
        };
        let report = Report(vec![
            tested("192.0.2.1:8444", Way::Udp, None),
            tested("192.0.2.1:8444", Way::Tcp, Some("nothing answered")),
            tested("127.0.0.1:8444", Way::Tcp, None),
            tested("192.0.2.1:8443", Way::RelayTls, None),
            tested("192.0.2.1:8443", Way::RelayUdp, Some("nothing answered")),
        ]);
        assert_eq!(report.to_string(), "port 8444 by UDP, TCP; port 8443 by TURN over TLS");
        assert_eq!(report.failures().count(), 2);
        assert_eq!(Report::default().to_string(), "none");
    }

    #[test]
    fn each_address_is_told_by_itself_and_the_loopback_is_none() {
        let tested = |address: &str, way, failure: Option<&str>| Tested {
            address: address.parse().expect("an address"),
            way,
            failure: failure.map(str::to_owned),
        };
        let report = Report(vec![
            tested("127.0.0.1:8444", Way::Udp, None),
            tested("[::1]:8444", Way::Udp, None),
            tested("192.168.1.2:8444", Way::Udp, None),
            tested("192.168.1.2:8443", Way::RelayTls, None),
            tested("198.51.100.2:8444", Way::Udp, Some("nothing answered")),
            tested("198.51.100.2:8444", Way::Tcp, None),
            tested("203.0.113.7:8444", Way::Udp, Some("nothing answered")),
            tested("203.0.113.7:8443", Way::PagesTcp, Some("nothing answered")),
        ]);
        let reaches = report.by_address();
        assert_eq!(
            reaches.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "192.168.1.2, port 8444 by UDP; port 8443 by TURN over TLS",
                "198.51.100.2, port 8444 by TCP, but not port 8444 by UDP",
                "203.0.113.7 by no way at all: viewers cannot use this address",
            ]
        );
        assert_eq!(reaches[2].working(), "none");
        assert_eq!(reaches[2].failing(), "port 8444 by UDP; port 8443 by TCP");
        assert_eq!(reaches[0].failing(), "none");
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
