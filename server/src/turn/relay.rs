//! One client's dealings with the relay (RFC 8656), without a socket: what comes in from it, and what is to be done.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;

use super::credentials::{Nonces, REALM, TurnSecret, is_current};
use super::message::{Class, Message, Method, Writer, attribute, padded};
use super::registry::{Full, Lease, Registry};
use crate::media::{Advertised, Relayed};

/// RFC 8656 §3.2.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(10);

/// RFC 8656 §7.2 recommends an hour at most.
const MAX_LIFETIME: Duration = Duration::from_hours(1);

/// RFC 8656 §9.
const PERMISSION_LIFETIME: Duration = Duration::from_mins(5);

/// RFC 8656 §12.
const CHANNEL_LIFETIME: Duration = Duration::from_mins(10);

/// RFC 8656 §12.
const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x4fff;

/// UDP in REQUESTED-TRANSPORT (RFC 8656 §18.7).
const UDP: u8 = 17;

/// Attributes below 0x8000 that requests may have. DONT-FRAGMENT is not among them: nothing is sent by IP here.
const KNOWN: [u16; 14] = [
    attribute::USERNAME,
    attribute::MESSAGE_INTEGRITY,
    attribute::CHANNEL_NUMBER,
    attribute::LIFETIME,
    attribute::XOR_PEER_ADDRESS,
    attribute::DATA,
    attribute::REALM,
    attribute::NONCE,
    attribute::REQUESTED_ADDRESS_FAMILY,
    attribute::EVEN_PORT,
    attribute::REQUESTED_TRANSPORT,
    attribute::RESERVATION_TOKEN,
    attribute::PRIORITY,
    attribute::USE_CANDIDATE,
];

/// RFC 8489 §18.5, RFC 8656 §19.
mod code {
    pub(super) const BAD_REQUEST: u16 = 400;
    pub(super) const UNAUTHENTICATED: u16 = 401;
    pub(super) const FORBIDDEN: u16 = 403;
    pub(super) const UNKNOWN_ATTRIBUTE: u16 = 420;
    pub(super) const ALLOCATION_MISMATCH: u16 = 437;
    pub(super) const STALE_NONCE: u16 = 438;
    pub(super) const FAMILY_NOT_SUPPORTED: u16 = 440;
    pub(super) const WRONG_CREDENTIALS: u16 = 441;
    pub(super) const TRANSPORT_NOT_SUPPORTED: u16 = 442;
    pub(super) const PEER_FAMILY_MISMATCH: u16 = 443;
    pub(super) const QUOTA_REACHED: u16 = 486;
    pub(super) const NO_CAPACITY: u16 = 508;
}

/// What all clients share.
pub(crate) struct Relay {
    secret: TurnSecret,
    nonces: Nonces,
    registry: Arc<Registry>,
    /// The only ones that anything is relayed to: our own media addresses. Whoever was let to one may go on when they have
    /// changed, for as long as it does not let its permission end.
    peers: Advertised,
    /// Of all of them.
    port: u16,
}

/// The time by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) wall: SystemTime,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            instant: Instant::now(),
            wall: SystemTime::now(),
        }
    }
}

/// What is to be done after a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reaction<'a> {
    Nothing,
    /// An answer; `to_stranger` where the client has proved nothing yet, not even its address.
    Reply {
        bytes: Vec<u8>,
        to_stranger: bool,
    },
    /// To the media port.
    Relay {
        allocation: SocketAddr,
        peer: SocketAddr,
        contents: &'a [u8],
    },
}

/// One client: a 5-tuple (RFC 8656 §2.2).
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    allocation: Option<Allocation>,
}

#[derive(Debug)]
struct Allocation {
    lease: Lease,
    username: String,
    key: [u8; 16],
    /// Of the request that made it, for it to be answered again when the answer was lost.
    transaction: [u8; 12],
    lifetime: Duration,
    expires_at: Instant,
    /// By peers' addresses, of which there are as many as the server has, and had while a permission lasts.
    permissions: HashMap<IpAddr, Instant>,
    channels: HashMap<u16, (SocketAddr, Instant)>,
}

/// The username and key of a request that proved them.
struct Proved {
    username: String,
    key: [u8; 16],
}

impl Relay {
    /// For `peers`, all at `port`, and nobody else.
    pub(crate) fn new(secret: TurnSecret, registry: Arc<Registry>, peers: Advertised, port: u16) -> Self {
        Self {
            secret,
            nonces: Nonces::new(),
            registry,
            peers,
            port,
        }
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    fn may_reach(&self, ip: IpAddr) -> bool {
        self.peers.now().iter().any(|peer| peer.ip() == ip)
    }

    /// IPv4 unless all that can be reached is IPv6: RFC 8656 §7.2 has IPv4 for who asks for neither, as browsers do.
    fn default_is_ipv4(&self) -> bool {
        let peers = self.peers.now();
        peers.is_empty() || peers.iter().any(SocketAddr::is_ipv4)
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            allocation: None,
        }
    }

    /// The relayed address, while there is one.
    pub(crate) fn allocation(&self) -> Option<SocketAddr> {
        self.allocation.as_ref().map(|allocation| allocation.lease.address())
    }

    /// Gives the allocation back when its time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.allocation.take_if(|allocation| allocation.expires_at <= now);
    }

    /// Takes in a whole message or piece of channel data. What comes for the allocation is to go into `queue`.
    pub(crate) fn handle<'a>(
        &mut self,
        relay: &Relay,
        queue: &mpsc::Sender<Relayed>,
        bytes: &'a [u8],
        now: Moment,
    ) -> Reaction<'a> {
        self.expire(now.instant);
        if bytes.first().is_some_and(|first| first & 0xc0 == 0x40) {
            return self
                .channel_data(relay, bytes, now.instant)
                .unwrap_or(Reaction::Nothing);
        }
        let Some(message) = Message::parse(bytes) else {
            return Reaction::Nothing;
        };
        match (message.class(), message.method()) {
            (Class::Request, Some(Method::Binding)) => Reaction::Reply {
                bytes: Writer::new(Method::Binding, Class::Success, message.transaction())
                    .address(attribute::XOR_MAPPED_ADDRESS, self.address)
                    .finish(None),
                to_stranger: true,
            },
            (Class::Request, Some(method)) if !matches!(method, Method::Send | Method::Data) => {
                self.request(relay, queue, method, &message, now)
            }
            (Class::Indication, Some(Method::Send)) => self
                .send_indication(relay, &message, now.instant)
                .unwrap_or(Reaction::Nothing),
            _ => Reaction::Nothing,
        }
    }

    fn request<'a>(
        &mut self,
        relay: &Relay,
        queue: &mpsc::Sender<Relayed>,
        method: Method,
        message: &Message<'_>,
        now: Moment,
    ) -> Reaction<'a> {
        let error = |code| Writer::new(method, Class::Error, message.transaction()).error(code);
        let proved = match self.prove(relay, message, now.wall) {
            Ok(proved) => proved,
            Err(code) => {
                let mut answer = error(code);
                if matches!(code, code::UNAUTHENTICATED | code::STALE_NONCE) {
                    let nonce = relay.nonces.issue(self.address, now.wall);
                    answer = answer
                        .attribute(attribute::REALM, REALM.as_bytes())
                        .attribute(attribute::NONCE, nonce.as_bytes());
                }
                return Reaction::Reply {
                    bytes: answer.finish(None),
                    to_stranger: true,
                };
            }
        };
        let unknown: Vec<u8> = message
            .attributes()
            .filter(|(kind, _)| *kind < attribute::FIRST_OPTIONAL && !KNOWN.contains(kind))
            .flat_map(|(kind, _)| kind.to_be_bytes())
            .collect();
        let key = proved.key;
        let answer = if unknown.is_empty() {
            let done = match method {
                Method::Allocate => self.allocate(relay, queue, message, proved, now.instant),
                Method::Refresh => self.refresh(message, &proved, now.instant),
                Method::CreatePermission => self.create_permission(relay, message, &proved, now.instant),
                _ => self.bind_channel(relay, message, &proved, now.instant),
            };
            done.unwrap_or_else(error)
        } else {
            error(code::UNKNOWN_ATTRIBUTE).attribute(attribute::UNKNOWN_ATTRIBUTES, &unknown)
        };
        Reaction::Reply {
            bytes: answer.finish(Some(&key)),
            to_stranger: false,
        }
    }

    /// RFC 8489 §9.2.4.
    fn prove(&self, relay: &Relay, message: &Message<'_>, now: SystemTime) -> Result<Proved, u16> {
        if !message.has_integrity() {
            return Err(code::UNAUTHENTICATED);
        }
        let text = |kind| message.text(kind).ok_or(code::BAD_REQUEST);
        let username = text(attribute::USERNAME)?;
        let realm = text(attribute::REALM)?;
        let nonce = text(attribute::NONCE)?;
        if !relay.nonces.is_fresh(nonce, self.address, now) {
            return Err(code::STALE_NONCE);
        }
        // An allocation outlives the credentials that began it: a broadcast may be longer than they are good for.
        let known = self.allocation.as_ref().filter(|known| known.username == username);
        if realm != REALM || (known.is_none() && !is_current(username, now)) {
            return Err(code::UNAUTHENTICATED);
        }
        let key = known.map_or_else(|| relay.secret.key_of(username), |known| known.key);
        if !message.is_signed_by(&key) {
            return Err(code::UNAUTHENTICATED);
        }
        Ok(Proved {
            username: username.to_owned(),
            key,
        })
    }

    /// RFC 8656 §7.2.
    fn allocate(
        &mut self,
        relay: &Relay,
        queue: &mpsc::Sender<Relayed>,
        message: &Message<'_>,
        proved: Proved,
        now: Instant,
    ) -> Result<Writer, u16> {
        let again = self
            .allocation
            .as_ref()
            .map(|known| known.transaction == message.transaction() && known.username == proved.username);
        match again {
            Some(true) => {}
            Some(false) => return Err(code::ALLOCATION_MISMATCH),
            None => self.allocation = Some(self.make(relay, queue, message, proved, now)?),
        }
        let allocation = self.allocation.as_ref().ok_or(code::NO_CAPACITY)?;
        Ok(success(message, Method::Allocate)
            .address(attribute::XOR_RELAYED_ADDRESS, allocation.lease.address())
            .number(attribute::LIFETIME, allocation.lifetime.as_secs() as u32)
            .address(attribute::XOR_MAPPED_ADDRESS, self.address))
    }

    fn make(
        &self,
        relay: &Relay,
        queue: &mpsc::Sender<Relayed>,
        message: &Message<'_>,
        proved: Proved,
        now: Instant,
    ) -> Result<Allocation, u16> {
        match message.attribute(attribute::REQUESTED_TRANSPORT) {
            Some([UDP, _, _, _]) => {}
            Some([_, _, _, _]) => return Err(code::TRANSPORT_NOT_SUPPORTED),
            _ => return Err(code::BAD_REQUEST),
        }
        // Pairs of ports are for RTP without multiplexing, which no WebRTC client does.
        let wants_pair = [attribute::EVEN_PORT, attribute::RESERVATION_TOKEN];
        if wants_pair.iter().any(|kind| message.attribute(*kind).is_some()) {
            return Err(code::NO_CAPACITY);
        }
        let ipv4 = match message.attribute(attribute::REQUESTED_ADDRESS_FAMILY) {
            None => relay.default_is_ipv4(),
            Some([1, ..]) => true,
            Some([2, ..]) => false,
            Some(_) => return Err(code::FAMILY_NOT_SUPPORTED),
        };
        let lifetime = lifetime(message);
        let lease = relay
            .registry
            .lease(&proved.username, self.address.ip(), ipv4, queue.clone())
            .map_err(|full| match full {
                Full::User => code::QUOTA_REACHED,
                Full::Server => code::NO_CAPACITY,
            })?;
        Ok(Allocation {
            lease,
            username: proved.username,
            key: proved.key,
            transaction: message.transaction(),
            lifetime,
            expires_at: now + lifetime,
            permissions: HashMap::new(),
            channels: HashMap::new(),
        })
    }

    /// The allocation, where it is this user's (RFC 8656 §5).
    fn of(&mut self, proved: &Proved) -> Result<&mut Allocation, u16> {
        match &mut self.allocation {
            Some(allocation) if allocation.username == proved.username => Ok(allocation),
            Some(_) => Err(code::WRONG_CREDENTIALS),
            None => Err(code::ALLOCATION_MISMATCH),
        }
    }

    /// RFC 8656 §8.2.
    fn refresh(&mut self, message: &Message<'_>, proved: &Proved, now: Instant) -> Result<Writer, u16> {
        let allocation = self.of(proved)?;
        let wanted = message.attribute(attribute::REQUESTED_ADDRESS_FAMILY);
        let own = if allocation.lease.address().is_ipv4() { 1 } else { 2 };
        if wanted.is_some_and(|wanted| wanted.first() != Some(&own)) {
            return Err(code::PEER_FAMILY_MISMATCH);
        }
        let lifetime = if message.number(attribute::LIFETIME) == Some(0) {
            self.allocation = None;
            Duration::ZERO
        } else {
            let lifetime = lifetime(message);
            allocation.lifetime = lifetime;
            allocation.expires_at = now + lifetime;
            lifetime
        };
        Ok(success(message, Method::Refresh).number(attribute::LIFETIME, lifetime.as_secs() as u32))
    }

    /// RFC 8656 §10.2. All of the peers or none.
    fn create_permission(
        &mut self,
        relay: &Relay,
        message: &Message<'_>,
        proved: &Proved,
        now: Instant,
    ) -> Result<Writer, u16> {
        let allocation = self.of(proved)?;
        let values = message
            .attributes()
            .filter(|(kind, _)| *kind == attribute::XOR_PEER_ADDRESS);
        let peers: Option<Vec<SocketAddr>> = values.map(|(_, value)| message.address(value)).collect();
        let peers = peers.filter(|peers| !peers.is_empty()).ok_or(code::BAD_REQUEST)?;
        for peer in &peers {
            allocation.check_family(*peer)?;
            if !allocation.may_reach(relay, peer.ip(), now) {
                return Err(code::FORBIDDEN);
            }
        }
        for peer in peers {
            allocation.permit(peer.ip(), now);
        }
        Ok(success(message, Method::CreatePermission))
    }

    /// RFC 8656 §12.2.
    fn bind_channel(
        &mut self,
        relay: &Relay,
        message: &Message<'_>,
        proved: &Proved,
        now: Instant,
    ) -> Result<Writer, u16> {
        let allocation = self.of(proved)?;
        let number = message
            .number(attribute::CHANNEL_NUMBER)
            .map(|word| (word >> 16) as u16)
            .filter(|number| CHANNELS.contains(number))
            .ok_or(code::BAD_REQUEST)?;
        let peer = message
            .attribute(attribute::XOR_PEER_ADDRESS)
            .and_then(|value| message.address(value))
            .ok_or(code::BAD_REQUEST)?;
        allocation.check_family(peer)?;
        if peer.port() != relay.port || !allocation.may_reach(relay, peer.ip(), now) {
            return Err(code::FORBIDDEN);
        }
        allocation.channels.retain(|_, (_, until)| *until > now);
        let contradicts = allocation
            .channels
            .iter()
            .any(|(other, (bound, _))| (*other == number) != (*bound == peer));
        if contradicts {
            return Err(code::BAD_REQUEST);
        }
        allocation.channels.insert(number, (peer, now + CHANNEL_LIFETIME));
        allocation.permit(peer.ip(), now);
        Ok(success(message, Method::ChannelBind))
    }

    /// RFC 8656 §11.2. What may not be relayed is dropped without a word.
    fn send_indication<'a>(&self, relay: &Relay, message: &Message<'a>, now: Instant) -> Option<Reaction<'a>> {
        let allocation = self.allocation.as_ref()?;
        let peer = message.address(message.attribute(attribute::XOR_PEER_ADDRESS)?)?;
        let contents = message.attribute(attribute::DATA)?;
        allocation.relay(relay, peer, contents, now)
    }

    /// RFC 8656 §12.4.
    fn channel_data<'a>(&self, relay: &Relay, bytes: &'a [u8], now: Instant) -> Option<Reaction<'a>> {
        let allocation = self.allocation.as_ref()?;
        let [n0, n1, l0, l1, rest @ ..] = bytes else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let (peer, until) = allocation.channels.get(&u16::from_be_bytes([*n0, *n1]))?;
        if *until <= now {
            return None;
        }
        allocation.relay(relay, *peer, rest.get(..length)?, now)
    }

    /// Wraps what a peer sent, for the client. `None` where the client has not permitted that peer.
    pub(crate) fn wrap(&self, relayed: &Relayed, is_stream: bool, now: Instant) -> Option<Vec<u8>> {
        let allocation = self.allocation.as_ref()?;
        if !allocation.permits(relayed.local.ip(), now) {
            return None;
        }
        let channel = allocation
            .channels
            .iter()
            .find(|(_, (peer, until))| *peer == relayed.local && *until > now);
        let Some((number, _)) = channel else {
            let writer = Writer::new(Method::Data, Class::Indication, rand::random())
                .address(attribute::XOR_PEER_ADDRESS, relayed.local)
                .attribute(attribute::DATA, &relayed.contents);
            return Some(writer.finish(None));
        };
        let length = relayed.contents.len();
        let mut bytes = Vec::with_capacity(4 + padded(length));
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(length).ok()?.to_be_bytes());
        bytes.extend_from_slice(&relayed.contents);
        if is_stream {
            bytes.resize(4 + padded(length), 0);
        }
        Some(bytes)
    }
}

impl Allocation {
    fn check_family(&self, peer: SocketAddr) -> Result<(), u16> {
        let is_same = peer.is_ipv4() == self.lease.address().is_ipv4();
        is_same.then_some(()).ok_or(code::PEER_FAMILY_MISMATCH)
    }

    fn may_reach(&self, relay: &Relay, peer: IpAddr, now: Instant) -> bool {
        relay.may_reach(peer) || self.permits(peer, now)
    }

    fn permit(&mut self, peer: IpAddr, now: Instant) {
        self.permissions.retain(|_, until| *until > now);
        self.permissions.insert(peer, now + PERMISSION_LIFETIME);
    }

    fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.permissions.get(&peer).is_some_and(|until| *until > now)
    }

    fn relay<'a>(&self, relay: &Relay, peer: SocketAddr, contents: &'a [u8], now: Instant) -> Option<Reaction<'a>> {
        // The port as well: RFC 8656's permissions know addresses alone, and other programs listen here too.
        let may = self.permits(peer.ip(), now) && peer.port() == relay.port;
        may.then(|| Reaction::Relay {
            allocation: self.lease.address(),
            peer,
            contents,
        })
    }
}

fn success(message: &Message<'_>, method: Method) -> Writer {
    Writer::new(method, Class::Success, message.transaction())
}

/// RFC 8656 §7.2: what was asked for, and neither shorter than the default nor longer than the limit.
fn lifetime(message: &Message<'_>) -> Duration {
    let wanted = message
        .number(attribute::LIFETIME)
        .map(u64::from)
        .map(Duration::from_secs);
    wanted.unwrap_or(DEFAULT_LIFETIME).clamp(DEFAULT_LIFETIME, MAX_LIFETIME)
}

#[cfg(test)]
mod tests;
