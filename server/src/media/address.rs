//! At which addresses the media port is reached, and by which of them a datagram came.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use footlight_sfu::{Candidate, TcpType};
use parking_lot::RwLock;

/// Most advertised addresses. A browser tries each with each of its own; a machine with dozens of container networks
/// would slow every join.
const MAX_ADVERTISED: usize = 16;

/// The addresses in answers, as they are now: for who asks again and again, on no way that media goes.
#[derive(Debug, Clone)]
pub(crate) struct Advertised(Arc<RwLock<Vec<SocketAddr>>>);

impl Advertised {
    pub(crate) fn now(&self) -> Vec<SocketAddr> {
        self.0.read().clone()
    }

    /// Changes them when `tell` has told whoever has a copy. They are told in the order of the changes.
    pub(super) fn change<E>(&self, addresses: Vec<SocketAddr>, tell: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut now = self.0.write();
        tell()?;
        *now = addresses;
        Ok(())
    }
}

impl From<Vec<SocketAddr>> for Advertised {
    fn from(addresses: Vec<SocketAddr>) -> Self {
        Self(Arc::new(RwLock::new(addresses)))
    }
}

/// The addresses in answers, and the machine's own.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    bind: Vec<IpAddr>,
    port: u16,
    /// Another port whose TCP connections may be media, with the addresses at which it listens.
    pages: Vec<SocketAddr>,
    advertised: Vec<IpAddr>,
    local: HashSet<IpAddr>,
}

impl Addresses {
    /// `advertise`, or where that is empty what the interfaces have that `bind` covers, loopback last.
    pub(super) fn new(bind: &[IpAddr], advertise: Vec<IpAddr>, port: u16) -> Self {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
            tracing::warn!(%error, "the interfaces' addresses cannot be read");
            Vec::new()
        });
        let local: HashSet<_> = interfaces.iter().map(if_addrs::Interface::ip).collect();
        let mut advertised: Vec<IpAddr> = if advertise.is_empty() {
            let mut found: Vec<_> = local
                .iter()
                .copied()
                .filter(|ip| covers(bind, *ip) && is_usable(*ip))
                .collect();
            let loopback = IpAddr::from([127, 0, 0, 1]);
            if covers(bind, loopback) && !found.contains(&loopback) {
                found.push(loopback);
            }
            let bridges: HashSet<_> = interfaces
                .iter()
                .filter(|interface| is_bridge(&interface.name))
                .map(if_addrs::Interface::ip)
                .collect();
            in_order(found, &bridges)
        } else {
            advertise
        };
        advertised.truncate(MAX_ADVERTISED);
        Self {
            bind: bind.to_vec(),
            port,
            pages: Vec::new(),
            advertised,
            local,
        }
    }

    /// With the listeners of pages and signaling, which hand over what speaks ICE-TCP.
    pub(super) fn with_pages(self, pages: Vec<SocketAddr>) -> Self {
        Self { pages, ..self }
    }

    /// The same sockets with other addresses; what the interfaces have is read again.
    pub(super) fn renewed(&self, advertise: Vec<IpAddr>) -> Self {
        Self::new(&self.bind, advertise, self.port).with_pages(self.pages.clone())
    }

    /// Where the port of the pages can be reached that is the media port as well.
    fn pages_at(&self, ip: IpAddr) -> Option<SocketAddr> {
        let is_public = |page: &&SocketAddr| !self.local.contains(&ip) && !page.ip().is_loopback();
        let page = self
            .pages
            .iter()
            .find(|page| covers(&[page.ip()], ip) || is_public(page))?;
        Some(SocketAddr::new(ip, page.port()))
    }

    pub(super) fn advertised(&self) -> Vec<SocketAddr> {
        self.advertised
            .iter()
            .map(|ip| SocketAddr::new(*ip, self.port))
            .collect()
    }

    /// Host candidates for answers: UDP, and TCP passive (RFC 6544 §4.5) if `tcp`.
    pub(super) fn candidates(&self, tcp: bool) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for address in self.advertised() {
            let builder = Candidate::builder();
            // The port of the pages after the media port: both are tried in turn (RFC 6544 §4.2).
            let ports = [Some(address), self.pages_at(address.ip())];
            let over_tcp = ports.into_iter().flatten().filter(|_| tcp).map(|address| {
                Candidate::builder()
                    .tcp()
                    .host(address)
                    .tcptype(TcpType::Passive)
                    .build()
            });
            for candidate in std::iter::once(builder.udp().host(address).build()).chain(over_tcp) {
                match candidate {
                    Ok(candidate) => candidates.push(candidate),
                    Err(error) => tracing::warn!(%address, %error, "address cannot be advertised"),
                }
            }
        }
        candidates
    }

    /// Where a datagram came to. Where a router translates (1:1 NAT), that is none of the addresses in answers; the core
    /// knows which of them its peer was told.
    pub(super) fn destination(&self, ip: IpAddr) -> SocketAddr {
        SocketAddr::new(ip.to_canonical(), self.port)
    }

    /// The same for a TCP connection, which may have come in at the port of the pages.
    pub(super) fn tcp_destination(&self, local: SocketAddr) -> SocketAddr {
        let mut destination = self.destination(local.ip());
        if self.pages.iter().any(|page| page.port() == local.port()) {
            destination.set_port(local.port());
        }
        destination
    }

    /// The source address to ask the kernel for; `None` where `advertised` is not the machine's own.
    pub(super) fn source(&self, advertised: IpAddr) -> Option<IpAddr> {
        (advertised.is_loopback() || self.local.contains(&advertised)).then_some(advertised)
    }
}

/// Beginnings of the names of interfaces that lead to containers and virtual machines on this machine.
const BRIDGES: [&str; 9] = [
    "br-", "cni", "docker", "lxcbr", "lxdbr", "podman", "vboxnet", "virbr", "vmnet",
];

fn is_bridge(interface: &str) -> bool {
    BRIDGES.iter().any(|beginning| interface.starts_with(beginning))
}

/// The addresses by which others most likely reach this machine first: there are programs that try one alone (ffmpeg).
fn in_order(mut addresses: Vec<IpAddr>, bridges: &HashSet<IpAddr>) -> Vec<IpAddr> {
    addresses.sort_by_key(|ip| (ip.is_loopback(), bridges.contains(ip), ip.is_ipv6(), *ip));
    addresses
}

fn covers(bind: &[IpAddr], ip: IpAddr) -> bool {
    bind.iter()
        .any(|bound| *bound == ip || (bound.is_unspecified() && bound.is_ipv4() == ip.is_ipv4()))
}

/// Link-local addresses need a scope that SDP cannot carry (RFC 8839 §4.1.1.2 forbids them for IPv6 as a rule).
fn is_usable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn what_is_advertised_is_what_was_asked_for() {
        let addresses = Addresses::new(&[ip("0.0.0.0")], vec![ip("203.0.113.7")], 8444);
        assert_eq!(
            addresses.advertised(),
            ["203.0.113.7:8444".parse().expect("an address")]
        );
        assert_eq!(addresses.candidates(true).len(), 2);
        assert_eq!(addresses.candidates(false).len(), 1);
        assert_eq!(addresses.source(ip("203.0.113.7")), None);
    }

    #[test]
    fn other_addresses_are_those_of_the_same_sockets() {
        let page = "0.0.0.0:8443".parse().expect("an address");
        let addresses = Addresses::new(&[ip("0.0.0.0")], vec![ip("203.0.113.7")], 8444).with_pages(vec![page]);
        let addresses = addresses.renewed(vec![ip("203.0.113.8")]);
        let ports: Vec<_> = addresses.candidates(true).iter().map(Candidate::addr).collect();
        let expected = ["203.0.113.8:8444", "203.0.113.8:8444", "203.0.113.8:8443"];
        assert_eq!(ports, expected.map(|address| address.parse().expect("an address")));
    }

    #[test]
    fn addresses_change_when_everybody_was_told() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let advertised = Advertised::from(vec![address("203.0.113.7:1")]);
        let refused = advertised.change(vec![address("203.0.113.8:1")], || Err("no room"));
        assert_eq!(
            (refused, advertised.now()),
            (Err("no room"), vec![address("203.0.113.7:1")])
        );
        let told = advertised.change(vec![address("203.0.113.8:1")], || Ok::<_, ()>(()));
        assert_eq!((told, advertised.now()), (Ok(()), vec![address("203.0.113.8:1")]));
    }

    #[test]
    fn the_port_of_the_pages_is_offered_where_it_listens() {
        let of = |page: &str, advertise: &str| {
            let page = page.parse().expect("an address");
            let addresses = Addresses::new(&[ip("0.0.0.0")], vec![ip(advertise)], 8444).with_pages(vec![page]);
            let candidates = addresses.candidates(true);
            candidates
                .iter()
                .map(|candidate| candidate.addr().port())
                .collect::<Vec<_>>()
        };
        assert_eq!(of("0.0.0.0:8443", "203.0.113.7"), [8444, 8444, 8443]);
        assert_eq!(of("127.0.0.1:8443", "127.0.0.1"), [8444, 8444, 8443]);
        // Behind a proxy on the same machine nobody else reaches it.
        assert_eq!(of("127.0.0.1:8443", "203.0.113.7"), [8444, 8444]);

        let page = "0.0.0.0:8443".parse().expect("an address");
        let addresses = Addresses::new(&[ip("0.0.0.0")], vec![ip("203.0.113.7")], 8444).with_pages(vec![page]);
        let came_to = |local: &str| {
            addresses
                .tcp_destination(local.parse().expect("an address"))
                .to_string()
        };
        assert_eq!(came_to("10.0.0.4:8443"), "10.0.0.4:8443");
        assert_eq!(came_to("10.0.0.4:8444"), "10.0.0.4:8444");
        assert_eq!(came_to("[::ffff:10.0.0.4]:8444"), "10.0.0.4:8444");
    }

    #[test]
    fn bridges_to_containers_come_after_what_others_reach() {
        let addresses = ["127.0.0.1", "172.17.0.1", "192.168.1.4", "2001:db8::4"].map(ip);
        let bridges = HashSet::from([ip("172.17.0.1")]);
        let expected = ["192.168.1.4", "2001:db8::4", "172.17.0.1", "127.0.0.1"].map(ip);
        assert_eq!(in_order(addresses.to_vec(), &bridges), expected);
        assert!(is_bridge("docker0") && is_bridge("br-4f1c"));
        assert!(!is_bridge("br0"), "of somebody's own network");
        assert!(!is_bridge("eth0") && !is_bridge("wlp3s0"));
    }

    #[test]
    fn loopback_is_there_and_last() {
        let addresses = Addresses::new(&[ip("0.0.0.0")], Vec::new(), 1);
        assert_eq!(addresses.advertised.last(), Some(&ip("127.0.0.1")));
        assert!(addresses.advertised.iter().all(IpAddr::is_ipv4));
        assert_eq!(addresses.destination(ip("127.0.0.1")).ip(), ip("127.0.0.1"));
        assert_eq!(addresses.source(ip("127.0.0.1")), Some(ip("127.0.0.1")));
    }

    #[test]
    fn a_bound_address_is_the_only_one() {
        let addresses = Addresses::new(&[ip("127.0.0.1")], Vec::new(), 1);
        assert_eq!(addresses.advertised, [ip("127.0.0.1")]);
    }
}
