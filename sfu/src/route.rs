//! Whose datagram is this: of all the peers that share one port.
//!
//! A STUN binding request names its addressee in USERNAME (RFC 8445 §7.2.2); everything else is known by the address
//! that such a request came from. The fragment carries the worker's number, so that any worker knows where a request
//! belongs that the kernel happened to hand to it.

use std::collections::HashMap;
use std::net::SocketAddr;

use str0m::IceCreds;
use str0m::ice::StunMessage;
use str0m::net::Protocol;

use crate::{PeerId, WorkerId};

/// Remote addresses remembered per peer. A browser with two networks, of both families, has some twenty: one for UDP each, one for each of
/// our TCP addresses, and what a TURN server lends it.
const ADDRESSES_PER_PEER: usize = 32;

/// Addresses that a peer may prove to be at before it restarts ICE. The engine below keeps all of them in a list. A router that gives it another
/// every three minutes takes two days for so many.
const MOST_ADDRESSES: usize = 1024;

/// Remote addresses of other workers' peers in one generation of two. Anybody can make us remember one by a forged
/// request, so it is bounded; 8,192 live peers behind one worker's socket are more than it serves.
const FOREIGN_ADDRESSES: usize = 8192;

/// Where a datagram comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Remote {
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddr,
}

/// Who a datagram is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Peer(PeerId),
    Worker(WorkerId),
}

/// Local credentials whose fragment tells the worker.
pub(crate) fn credentials(worker: WorkerId) -> IceCreds {
    let random = IceCreds::new();
    IceCreds {
        ufrag: format!("{:02x}{}", worker.0, random.ufrag),
        pass: random.pass,
    }
}

/// Whether a datagram is RTP or RTCP, or DTLS (RFC 7983 §7).
pub(crate) fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(128..=191))
}

pub(crate) fn is_dtls(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(20..=63))
}

/// Whether it is a STUN request by which a remote that is in control chooses this path (RFC 8445 §7.3.1.5).
pub(crate) fn nominates(datagram: &[u8]) -> bool {
    is_stun(datagram)
        && StunMessage::parse(datagram).is_ok_and(|message| message.is_binding_request() && message.use_candidate())
}

/// Whether it grants such a request.
pub(crate) fn is_success(datagram: &[u8]) -> bool {
    is_stun(datagram) && StunMessage::parse(datagram).is_ok_and(|message| message.is_successful_binding_response())
}

fn worker_of(fragment: &str) -> Option<WorkerId> {
    let digits = fragment.get(..2)?;
    u8::from_str_radix(digits, 16).ok().map(WorkerId)
}

/// Whether a datagram is STUN (RFC 7983 §7).
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
}

/// The worker that a STUN binding request asks for.
pub fn requested_worker(datagram: &[u8]) -> Option<WorkerId> {
    addressee(datagram).and_then(|(worker, _)| worker)
}

fn addressee(datagram: &[u8]) -> Option<(Option<WorkerId>, String)> {
    if !is_stun(datagram) {
        return None;
    }
    let message = StunMessage::parse(datagram).ok()?;
    if !message.is_binding_request() {
        return None;
    }
    let (local, _) = message.split_username()?;
    Some((worker_of(local), local.to_owned()))
}

/// The routes of one worker.
#[derive(Debug)]
pub(crate) struct Routes {
    worker: WorkerId,
    fragments: HashMap<String, PeerId>,
    addresses: HashMap<Remote, PeerId>,
    peers: HashMap<PeerId, Known>,
    foreign: Recent,
}

/// What is to be forgotten with a peer.
#[derive(Debug, Default)]
struct Known {
    fragment: String,
    /// That it proved to be at, the longest ago first.
    remotes: Vec<Remote>,
    /// How many it proved to be at since it was named.
    proved: usize,
}

impl Routes {
    pub(crate) fn new(worker: WorkerId) -> Self {
        Self {
            worker,
            fragments: HashMap::new(),
            addresses: HashMap::new(),
            peers: HashMap::new(),
            foreign: Recent::default(),
        }
    }

    /// From now on `fragment` names `peer`, instead of its earlier one.
    pub(crate) fn name(&mut self, peer: PeerId, fragment: String) {
        let known = self.peers.entry(peer).or_default();
        self.fragments.remove(&known.fragment);
        known.fragment.clone_from(&fragment);
        known.proved = 0;
        self.fragments.insert(fragment, peer);
    }

    /// `remote` has proved, by a binding request with the right integrity, to be `peer`. Whether that is believed: not if it was
    /// at too many already.
    pub(crate) fn bind(&mut self, peer: PeerId, remote: Remote) -> bool {
        let Some(known) = self.peers.get_mut(&peer) else {
            return false;
        };
        if let Some(at) = known.remotes.iter().position(|known| *known == remote) {
            known.remotes[at..].rotate_left(1);
            return true;
        }
        if known.proved == MOST_ADDRESSES {
            return false;
        }
        known.proved += 1;
        if known.remotes.len() == ADDRESSES_PER_PEER {
            let oldest = known.remotes.remove(0);
            self.addresses.remove(&oldest);
        }
        known.remotes.push(remote);
        let previous = self.addresses.insert(remote, peer);
        if let Some(known) = previous.and_then(|previous| self.peers.get_mut(&previous)) {
            known.remotes.retain(|r| *r != remote);
        }
        true
    }

    pub(crate) fn remove(&mut self, peer: PeerId) {
        let Some(known) = self.peers.remove(&peer) else {
            return;
        };
        self.fragments.remove(&known.fragment);
        for remote in known.remotes {
            self.addresses.remove(&remote);
        }
    }

    /// The peer that proved to be at `remote`.
    pub(crate) fn peer_at(&self, remote: Remote) -> Option<PeerId> {
        self.addresses.get(&remote).copied()
    }

    /// Who `datagram` from `remote` is for.
    pub(crate) fn owner(&mut self, remote: Remote, datagram: &[u8]) -> Option<Owner> {
        if is_stun(datagram) {
            let (worker, fragment) = addressee(datagram)?;
            return match worker? {
                worker if worker == self.worker => self.fragments.get(&fragment).copied().map(Owner::Peer),
                worker => {
                    self.foreign.insert(remote, worker);
                    Some(Owner::Worker(worker))
                }
            };
        }
        match self.addresses.get(&remote) {
            Some(peer) => Some(Owner::Peer(*peer)),
            None => self.foreign.get(remote).map(Owner::Worker),
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.fragments.is_empty() && self.addresses.is_empty() && self.peers.is_empty()
    }
}

/// A bounded map that forgets what was not used for a while: when the young generation is full it becomes the old one,
/// and the old one is forgotten. What is asked for moves back to the young.
#[derive(Debug, Default)]
struct Recent {
    young: HashMap<Remote, WorkerId>,
    old: HashMap<Remote, WorkerId>,
}

impl Recent {
    fn insert(&mut self, remote: Remote, worker: WorkerId) {
        if self.young.len() >= FOREIGN_ADDRESSES && !self.young.contains_key(&remote) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(remote, worker);
    }

    fn get(&mut self, remote: Remote) -> Option<WorkerId> {
        if let Some(worker) = self.young.get(&remote) {
            return Some(*worker);
        }
        let worker = self.old.remove(&remote)?;
        self.insert(remote, worker);
        Some(worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(port: u16) -> Remote {
        Remote {
            protocol: Protocol::Udp,
            address: SocketAddr::from(([192, 0, 2, 1], port)),
        }
    }

    fn peer(number: u64) -> PeerId {
        PeerId::new(WorkerId(3), number)
    }

    #[test]
    fn a_fragment_tells_its_worker() {
        for worker in [WorkerId(0), WorkerId(9), WorkerId(255)] {
            let fragment = credentials(worker).ufrag;
            assert_eq!(worker_of(&fragment), Some(worker));
            // RFC 8839 §5.4: 4 to 256 ice-chars.
            assert!(fragment.len() >= 4 && fragment.chars().all(|c| c.is_ascii_alphanumeric()));
        }
        assert_eq!(worker_of("zz12"), None);
        assert_eq!(worker_of("é"), None);
    }

    #[test]
    fn a_peer_leaves_nothing_behind() {
        let mut routes = Routes::new(WorkerId(3));
        routes.name(peer(1), "03aaaa".into());
        routes.name(peer(1), "03bbbb".into());
        for port in 0..100 {
            routes.bind(peer(1), remote(port));
        }
        assert_eq!(routes.addresses.len(), ADDRESSES_PER_PEER);
        assert_eq!(routes.peer_at(remote(99)), Some(peer(1)));
        assert_eq!(routes.peer_at(remote(0)), None);
        routes.remove(peer(1));
        assert!(routes.is_empty());
    }

    #[test]
    fn an_address_that_is_proved_again_and_again_stays() {
        let mut routes = Routes::new(WorkerId(3));
        routes.name(peer(1), "03aaaa".into());
        for port in 0..100 {
            routes.bind(peer(1), remote(port));
            routes.bind(peer(1), remote(1_000));
        }
        assert_eq!(routes.peer_at(remote(1_000)), Some(peer(1)));
        assert_eq!(routes.addresses.len(), ADDRESSES_PER_PEER);
    }

    #[test]
    fn a_peer_is_not_believed_to_be_everywhere() {
        let mut routes = Routes::new(WorkerId(3));
        routes.name(peer(1), "03aaaa".into());
        let believed = (0..5_000).filter(|port| routes.bind(peer(1), remote(*port)));
        assert_eq!(believed.count(), MOST_ADDRESSES);
        assert!(
            routes.bind(peer(1), remote(MOST_ADDRESSES as u16 - 1)),
            "where it was last"
        );
        routes.name(peer(1), "03bbbb".into());
        assert!(routes.bind(peer(1), remote(5_000)), "after a restart of ICE");
    }

    #[test]
    fn an_address_belongs_to_the_last_that_proved_it() {
        let mut routes = Routes::new(WorkerId(3));
        for number in [1, 2] {
            routes.name(peer(number), format!("03{number}"));
            routes.bind(peer(number), remote(7));
        }
        assert_eq!(routes.peer_at(remote(7)), Some(peer(2)));
        routes.remove(peer(1));
        assert_eq!(routes.peer_at(remote(7)), Some(peer(2)));
        routes.remove(peer(2));
        assert!(routes.is_empty());
    }

    #[test]
    fn foreign_addresses_are_bounded_and_those_in_use_stay() {
        let mut recent = Recent::default();
        let busy = remote(1);
        recent.insert(busy, WorkerId(1));
        for number in 0..5 * FOREIGN_ADDRESSES as u32 {
            let address = SocketAddr::from((number.to_be_bytes(), 9));
            recent.insert(
                Remote {
                    protocol: Protocol::Udp,
                    address,
                },
                WorkerId(2),
            );
            assert_eq!(recent.get(busy), Some(WorkerId(1)));
        }
        assert!(recent.young.len() + recent.old.len() <= 2 * FOREIGN_ADDRESSES);
    }
}
