//! ICE-TCP (RFC 6544): datagrams in frames of RFC 4571 over connections that remotes open to the media port, for
//! networks that let no UDP through.
//!
//! A viewer that does not read must hold up nobody, so each connection has its own bounded queue. When it fills, the
//! core is told and stops sending that viewer video, until the queue has drained and a fresh keyframe starts the
//! picture anew.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use footlight_sfu::{Routed, WorkerId};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

/// Longest frame: STUN, DTLS and SRTP stay within an Ethernet frame.
const MAX_FRAME: usize = 2000;

/// Bytes that may wait for a remote: half a second of 4 Mb/s. Beyond it frames are dropped.
const MAX_QUEUED: usize = 256 * 1024;

/// Above this a connection is congested and gets no video: the rest of the queue is for sound and control.
const CONGESTED_ABOVE: usize = 96 * 1024;

/// Below this it is no more.
const CLEAR_BELOW: usize = 16 * 1024;

const _: () = assert!(CLEAR_BELOW < CONGESTED_ABOVE && CONGESTED_ABOVE < MAX_QUEUED);

/// Connections that have not yet shown a binding request. When there are more, the oldest goes: a flood of them keeps
/// nobody out.
const MAX_HALF_OPEN: usize = 256;

/// How long a connection may take to show one.
const HALF_OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// All connections of a worker.
const MAX_CONNECTIONS: usize = 2048;

/// Connections of one network ([`network`]): hundreds watch from behind one router, and none of them takes all places.
const MAX_OF_NETWORK: usize = 512;

/// A connection over which nothing comes for so long has lost its peer: ICE consent is checked every few seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that has taken nothing of its queue for so long is closed.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections accepted in one turn.
const ACCEPTS_PER_TURN: usize = 64;

/// Bytes read from one connection in one turn.
const READ_PER_TURN: usize = 64 * 1024;

/// Pause after the operating system had no descriptor left for a new connection.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Who is counted as one: an address of IPv4, and of IPv6 the part of it that is given to one customer (RFC 6177 §2).
fn network(ip: IpAddr) -> IpAddr {
    const PREFIX: u128 = !0 << 64;
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & PREFIX)),
        ipv4 @ IpAddr::V4(_) => ipv4,
    }
}

/// A connection on its way to the worker that owns its peer, with what was read of it.
#[derive(Debug)]
pub(super) struct Handover {
    stream: std::net::TcpStream,
    read: Vec<u8>,
}

impl Handover {
    /// One that was accepted elsewhere; `read` was read of it.
    pub(super) fn new(stream: std::net::TcpStream, read: Vec<u8>) -> Self {
        Self { stream, read }
    }
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    remote: SocketAddr,
    local: SocketAddr,
    is_open: bool,
    is_readable: bool,
    is_congested: bool,
    last_heard: Instant,
    last_progress: Instant,
    read: Vec<u8>,
    queued: Vec<u8>,
    sent: usize,
}

/// Why a connection leaves the table.
enum End {
    Close,
    Handover(WorkerId),
}

/// A worker's listeners and connections.
pub(super) struct TcpPort {
    listeners: Vec<TcpListener>,
    connections: HashMap<usize, Connection>,
    by_remote: HashMap<SocketAddr, usize>,
    /// How many there are of each.
    by_network: HashMap<IpAddr, usize>,
    readable: HashSet<usize>,
    next_token: usize,
    accept_at: Option<Instant>,
    /// Remotes that became congested, or are no more.
    pub(super) congestion: Vec<(SocketAddr, bool)>,
    pub(super) handovers: Vec<(WorkerId, Handover)>,
    /// Frames that could not be sent.
    pub(super) lost: u64,
}

impl TcpPort {
    /// Registers `listeners` with tokens from `first` on; connections get those after them.
    pub(super) fn new(listeners: Vec<std::net::TcpListener>, registry: &Registry, first: usize) -> io::Result<Self> {
        let mut registered = Vec::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            let mut listener = TcpListener::from_std(listener);
            registry.register(&mut listener, Token(first + index), Interest::READABLE)?;
            registered.push(listener);
        }
        Ok(Self {
            next_token: first + registered.len(),
            listeners: registered,
            connections: HashMap::new(),
            by_remote: HashMap::new(),
            by_network: HashMap::new(),
            readable: HashSet::new(),
            accept_at: None,
            congestion: Vec::new(),
            handovers: Vec::new(),
            lost: 0,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether something is left to be read.
    pub(super) fn is_readable(&self) -> bool {
        !self.readable.is_empty()
    }

    /// When accepting is to be tried again.
    pub(super) fn accept_at(&self) -> Option<Instant> {
        self.accept_at
    }

    pub(super) fn accept(&mut self, registry: &Registry, now: Instant) {
        self.accept_at = None;
        let mut accepted = Vec::new();
        for listener in &self.listeners {
            for _ in 0..ACCEPTS_PER_TURN {
                match listener.accept() {
                    Ok((stream, _)) => accepted.push(stream),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        tracing::debug!(%error, "connection not accepted");
                        self.accept_at = Some(now + ACCEPT_RETRY);
                        break;
                    }
                }
            }
        }
        // Readiness is told once: where a turn was used up there may be more.
        if accepted.len() >= ACCEPTS_PER_TURN {
            self.accept_at = Some(now);
        }
        for stream in accepted {
            self.insert(stream, Vec::new(), registry, now);
        }
    }

    /// Takes over a connection whose peer is ours.
    pub(super) fn take_over(&mut self, handover: Handover, registry: &Registry, now: Instant) {
        self.insert(TcpStream::from_std(handover.stream), handover.read, registry, now);
    }

    fn insert(&mut self, mut stream: TcpStream, read: Vec<u8>, registry: &Registry, now: Instant) {
        let addresses = stream.peer_addr().and_then(|remote| Ok((remote, stream.local_addr()?)));
        let Ok((remote, local)) = addresses else { return };
        let network = network(remote.ip());
        let of_network = self.by_network.get(&network).copied().unwrap_or(0);
        if self.connections.len() >= MAX_CONNECTIONS || of_network >= MAX_OF_NETWORK {
            self.lost += 1;
            return;
        }
        self.make_room(registry);
        let token = self.next_token;
        let set_up = stream
            .set_nodelay(true)
            .and_then(|()| registry.register(&mut stream, Token(token), Interest::READABLE | Interest::WRITABLE));
        if let Err(error) = set_up {
            tracing::debug!(%remote, %error, "connection not set up");
            return;
        }
        self.next_token += 1;
        let connection = Connection {
            stream,
            remote,
            local,
            is_open: false,
            is_readable: true,
            is_congested: false,
            last_heard: now,
            last_progress: now,
            read,
            queued: Vec::new(),
            sent: 0,
        };
        self.connections.insert(token, connection);
        self.by_remote.insert(remote, token);
        *self.by_network.entry(network).or_default() += 1;
        self.readable.insert(token);
    }

    fn make_room(&mut self, registry: &Registry) {
        let half_open = self.connections.iter().filter(|(_, connection)| !connection.is_open);
        let count = half_open.clone().count();
        let oldest = half_open.min_by_key(|(token, _)| **token).map(|(token, _)| *token);
        if let Some(oldest) = oldest.filter(|_| count >= MAX_HALF_OPEN) {
            self.remove(oldest, registry);
        }
    }

    pub(super) fn on_ready(&mut self, token: usize, is_readable: bool, is_writable: bool, now: Instant) {
        if is_readable && let Some(connection) = self.connections.get_mut(&token) {
            connection.is_readable = true;
            self.readable.insert(token);
        }
        if is_writable {
            self.write_out(token, now);
        }
    }

    /// Reads what is there, up to a fair share of each, and hands over each frame with source and destination.
    pub(super) fn receive(
        &mut self,
        registry: &Registry,
        now: Instant,
        mut handle: impl FnMut(SocketAddr, SocketAddr, &[u8]) -> Routed,
    ) {
        let mut ended = Vec::new();
        for token in std::mem::take(&mut self.readable) {
            let Some(connection) = self.connections.get_mut(&token) else {
                continue;
            };
            match connection.receive(now, &mut handle) {
                Some(end) => ended.push((token, end)),
                None if connection.is_readable => {
                    self.readable.insert(token);
                }
                None => {}
            }
        }
        for (token, end) in ended {
            let Some(connection) = self.remove(token, registry) else {
                continue;
            };
            if let End::Handover(worker) = end {
                let handover = Handover {
                    stream: connection.stream.into(),
                    read: connection.read,
                };
                self.handovers.push((worker, handover));
            }
        }
    }

    /// Queues a datagram for `remote` and sends what the connection takes.
    pub(super) fn send(&mut self, remote: SocketAddr, datagram: &[u8], now: Instant) {
        let token = self.by_remote.get(&remote).copied();
        let Some((token, connection)) = token.and_then(|token| Some((token, self.connections.get_mut(&token)?))) else {
            self.lost += 1;
            return;
        };
        let length = u16::try_from(datagram.len()).ok();
        let Some(length) = length.filter(|_| connection.waiting() + 2 + datagram.len() <= MAX_QUEUED) else {
            self.lost += 1;
            return;
        };
        if connection.waiting() == 0 {
            connection.last_progress = now;
        }
        connection.queued.extend_from_slice(&length.to_be_bytes());
        connection.queued.extend_from_slice(datagram);
        self.write_out(token, now);
    }

    fn write_out(&mut self, token: usize, now: Instant) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        if let Err(error) = connection.write_out(now) {
            // Reading finds it broken as well, and removes it.
            tracing::trace!(remote = %connection.remote, %error, "TCP send");
            connection.is_readable = true;
            self.readable.insert(token);
        }
        let waiting = connection.waiting();
        let is_congested = if connection.is_congested {
            waiting > CLEAR_BELOW
        } else {
            waiting > CONGESTED_ABOVE
        };
        if is_congested != connection.is_congested {
            connection.is_congested = is_congested;
            self.congestion.push((connection.remote, is_congested));
        }
    }

    /// Closes what is half-open, idle or stalled for too long.
    pub(super) fn reap(&mut self, registry: &Registry, now: Instant) {
        let is_over = |connection: &Connection| {
            let silent = now.saturating_duration_since(connection.last_heard);
            let stalled = now.saturating_duration_since(connection.last_progress);
            (!connection.is_open && silent >= HALF_OPEN_TIMEOUT)
                || silent >= IDLE_TIMEOUT
                || (connection.waiting() > 0 && stalled >= STALL_TIMEOUT)
        };
        let over: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, c)| is_over(c))
            .map(|(token, _)| *token)
            .collect();
        for token in over {
            self.remove(token, registry);
        }
    }

    fn remove(&mut self, token: usize, registry: &Registry) -> Option<Connection> {
        let mut connection = self.connections.remove(&token)?;
        self.readable.remove(&token);
        if self.by_remote.get(&connection.remote) == Some(&token) {
            self.by_remote.remove(&connection.remote);
        }
        let network = network(connection.remote.ip());
        if let Some(count) = self.by_network.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&network);
            }
        }
        if let Err(error) = registry.deregister(&mut connection.stream) {
            tracing::debug!(%error, "connection not deregistered");
        }
        Some(connection)
    }
}

impl Connection {
    fn waiting(&self) -> usize {
        self.queued.len() - self.sent
    }

    fn receive(
        &mut self,
        now: Instant,
        handle: &mut impl FnMut(SocketAddr, SocketAddr, &[u8]) -> Routed,
    ) -> Option<End> {
        let mut chunk = [0; 16 * 1024];
        let mut taken = 0;
        loop {
            if let Some(end) = self.handle_frames(now, handle) {
                return Some(end);
            }
            if taken >= READ_PER_TURN {
                return None;
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Some(End::Close),
                Ok(count) => {
                    taken += count;
                    self.read.extend_from_slice(&chunk[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_readable = false;
                    return None;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Some(End::Close),
            }
        }
    }

    /// Takes whole frames from what was read (RFC 4571 §2: a length of 16 bits before each). A first frame that is for
    /// nobody ends the connection.
    fn handle_frames(
        &mut self,
        now: Instant,
        handle: &mut impl FnMut(SocketAddr, SocketAddr, &[u8]) -> Routed,
    ) -> Option<End> {
        let mut at = 0;
        let mut end = None;
        while let Some([high, low, rest @ ..]) = self.read.get(at..) {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if length > MAX_FRAME {
                end = Some(End::Close);
                break;
            }
            let Some(frame) = rest.get(..length) else { break };
            let routed = handle(self.remote, self.local, frame);
            match (self.is_open, routed) {
                (false, Routed::Worker(worker)) => {
                    end = Some(End::Handover(worker));
                    break;
                }
                (false, Routed::Unknown) => {
                    end = Some(End::Close);
                    break;
                }
                (_, Routed::Handled) => {
                    self.is_open = true;
                    self.last_heard = now;
                }
                (true, _) => {}
            }
            at += 2 + length;
        }
        self.read.drain(..at);
        end
    }

    fn write_out(&mut self, now: Instant) -> io::Result<()> {
        while self.sent < self.queued.len() {
            match self.stream.write(&self.queued[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.sent += count;
                    self.last_progress = now;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.queued.clear();
                    self.sent = 0;
                    return Err(error);
                }
            }
        }
        if self.sent == self.queued.len() {
            self.queued.clear();
            self.sent = 0;
        } else if self.sent > MAX_QUEUED / 2 {
            self.queued.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use mio::Poll;

    use super::*;

    #[test]
    fn a_customer_of_a_provider_is_one_network() {
        let of = |ip: &str| network(ip.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn one_network_does_not_take_all_places_and_those_it_gives_up_are_free() {
        let poll = Poll::new().expect("a poll");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("set");
        let address = listener.local_addr().expect("an address");
        let mut port = TcpPort::new(vec![listener], poll.registry(), 1).expect("a listener");
        let now = Instant::now();
        let come = |port: &mut TcpPort| {
            let _client = std::net::TcpStream::connect(address).expect("a connection");
            port.accept(poll.registry(), now);
            // As after a binding request, so that it makes no room for others.
            port.connections
                .values_mut()
                .for_each(|connection| connection.is_open = true);
        };
        for _ in 0..MAX_OF_NETWORK + 10 {
            come(&mut port);
        }
        assert_eq!((port.len(), port.lost), (MAX_OF_NETWORK, 10));
        port.reap(poll.registry(), now + IDLE_TIMEOUT);
        assert_eq!((port.len(), port.by_network.len()), (0, 0));
        come(&mut port);
        assert_eq!(port.len(), 1);
    }
}
