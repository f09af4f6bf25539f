//! Which of our addresses a peer was told: they may change while it is connected, as behind a router whose own does.
//!
//! The engine takes no request that came to an address which it does not know, and goes by a pair of addresses. So a peer
//! keeps those that it was told until it restarts ICE, which forms all pairs anew (RFC 8445 §2.4).

use std::net::SocketAddr;
use std::sync::Arc;

use str0m::net::Protocol;
use str0m::{Candidate, IceCreds, Rtc};

/// Times that one peer is told other addresses. The engine never forgets one for good, and this bounds them: an address that
/// changes every night and a connection of three months. Whoever needs another after that connects anew.
const MAX_RENEWALS: u32 = 100;

/// What an ICE restart without an answer tells of our side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceRestart {
    /// The new ones.
    pub credentials: IceCreds,
    /// The first media section, which carries the ICE session of all (RFC 9143 §7.1.3).
    pub mid: Option<String>,
    /// Our addresses: values of `a=candidate`, beginning with `candidate:`.
    pub candidates: Vec<String>,
}

/// The candidates of a peer's last answer.
#[derive(Debug)]
pub(crate) struct Told {
    candidates: Arc<[Candidate]>,
    renewals: u32,
}

impl Told {
    /// Gives them to a new engine.
    pub(crate) fn new(candidates: &Arc<[Candidate]>, rtc: &mut Rtc) -> Self {
        for candidate in candidates.iter() {
            rtc.add_local_candidate(candidate.clone());
        }
        Self {
            candidates: candidates.clone(),
            renewals: 0,
        }
    }

    /// Where the peer sent what came to `destination`: there, or where a router translates (1:1 NAT) to the first of the same
    /// family, port and protocol that it was told.
    pub(crate) fn destination(&self, protocol: Protocol, destination: SocketAddr) -> SocketAddr {
        let alike = |told: &SocketAddr| told.is_ipv4() == destination.is_ipv4() && told.port() == destination.port();
        let of_protocol = self.candidates.iter().filter(|candidate| candidate.proto() == protocol);
        let mut alike = of_protocol.map(Candidate::addr).filter(alike);
        let first = alike.clone().next();
        alike.find(|told| *told == destination).or(first).unwrap_or(destination)
    }

    /// Puts the addresses of now in place of those that are gone, right before ICE restarts.
    pub(crate) fn renew(&mut self, candidates: &Arc<[Candidate]>, rtc: &mut Rtc) {
        if Arc::ptr_eq(&self.candidates, candidates) || self.renewals == MAX_RENEWALS {
            return;
        }
        self.renewals += 1;
        for gone in self.candidates.iter().filter(|known| !candidates.contains(known)) {
            rtc.direct_api().invalidate_candidate(gone);
        }
        for new in candidates.iter().filter(|new| !self.candidates.contains(new)) {
            rtc.add_local_candidate(new.clone());
        }
        self.candidates = candidates.clone();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect(text)
    }

    fn candidates(addresses: &[&str]) -> Arc<[Candidate]> {
        let host = |text: &&str| Candidate::host(address(text), "udp").expect("a candidate");
        addresses.iter().map(host).collect()
    }

    #[test]
    fn what_came_to_an_address_that_a_peer_was_never_told_came_to_one_of_its_own() {
        let mut rtc = Rtc::builder().build(Instant::now());
        let told = Told::new(
            &candidates(&["203.0.113.1:4", "10.0.0.4:4", "[2001:db8::1]:4"]),
            &mut rtc,
        );
        let came_to = |text: &str| told.destination(Protocol::Udp, address(text)).to_string();
        assert_eq!(came_to("10.0.0.4:4"), "10.0.0.4:4");
        assert_eq!(came_to("203.0.113.2:4"), "203.0.113.1:4");
        assert_eq!(came_to("[2001:db8::2]:4"), "[2001:db8::1]:4");
        assert_eq!(
            came_to("203.0.113.2:5"),
            "203.0.113.2:5",
            "another port is another thing"
        );
        let by_tcp = told.destination(Protocol::Tcp, address("203.0.113.2:4"));
        assert_eq!(by_tcp, address("203.0.113.2:4"), "and so is another protocol");
    }

    #[test]
    fn addresses_that_come_back_are_told_again_and_all_are_bounded() {
        let mut rtc = Rtc::builder().build(Instant::now());
        let all = [candidates(&["203.0.113.1:4"]), candidates(&["203.0.113.2:4"])];
        let mut told = Told::new(&all[0], &mut rtc);
        for number in 1..=2 * MAX_RENEWALS {
            let now = &all[number as usize % 2];
            told.renew(now, &mut rtc);
            let came_to = told.destination(Protocol::Udp, address("203.0.113.2:4"));
            let expected = if number <= MAX_RENEWALS { now } else { &all[0] };
            assert_eq!(came_to, expected[0].addr(), "{number}");
        }
    }
}
