//! TURN by UDP, and STUN's binding requests with it.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::relay::{Client, Moment};
use super::{MAX_MESSAGE, RELAYED_QUEUE, Turn};
use crate::media::Relayed;

/// Answers a second to whoever has proved nothing. The source of a datagram is easily forged, and an answer is up to
/// three times as long as what asks for it: this bounds what can be aimed at somebody else to some 80 kB/s, and is far
/// more than a whole audience needs that arrives at once.
const ANSWERS_TO_STRANGERS: u32 = 1000;

/// Datagrams that wait for all clients of a socket.
const SHARED_QUEUE: usize = RELAYED_QUEUE * 16;

/// How often allocations are looked at whose time may be over.
const TICK: Duration = Duration::from_secs(5);

/// What the kernel gives at once, glued together (GRO).
const RECEIVED_BYTES: usize = 65_535;

const _: () = assert!(MAX_MESSAGE < RECEIVED_BYTES);

/// Opens a socket beside the listener at `address`.
pub(crate) fn open(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket.into())
}

/// A 5-tuple, of which the socket is known (RFC 8656 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Path {
    client: SocketAddr,
    local: Option<IpAddr>,
}

struct Port<'a> {
    turn: &'a Turn,
    socket: UdpSocket,
    state: UdpSocketState,
    /// Those that have an allocation.
    clients: HashMap<Path, Client>,
    by_allocation: HashMap<SocketAddr, Path>,
    queue: mpsc::Sender<Relayed>,
    strangers: Allowance,
}

/// So many a second.
struct Allowance {
    since: Instant,
    spent: u32,
}

impl Allowance {
    fn spend(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self { since: now, spent: 0 };
        }
        self.spent += 1;
        self.spent <= ANSWERS_TO_STRANGERS
    }
}

impl Turn {
    /// Serves a socket until `closing`.
    pub(crate) async fn serve_udp(&self, socket: std::net::UdpSocket, closing: CancellationToken) -> io::Result<()> {
        let state = UdpSocketState::new((&socket).into())?;
        let (queue, mut relayed) = mpsc::channel(SHARED_QUEUE);
        let mut port = Port {
            turn: self,
            socket: UdpSocket::from_std(socket)?,
            state,
            clients: HashMap::new(),
            by_allocation: HashMap::new(),
            queue,
            strangers: Allowance {
                since: Instant::now(),
                spent: 0,
            },
        };
        let mut buffer = vec![0; RECEIVED_BYTES];
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = closing.cancelled() => return Ok(()),
                ready = port.socket.readable() => {
                    ready?;
                    port.receive(&mut buffer);
                }
                Some(datagram) = relayed.recv() => port.pass_on(&datagram, Instant::now()),
                _ = tick.tick() => port.expire(Instant::now()),
            }
        }
    }
}

impl Port<'_> {
    fn receive(&mut self, buffer: &mut [u8]) {
        let mut meta = [RecvMeta::default()];
        let received = self.socket.try_io(Interest::READABLE, || {
            let mut slices = [IoSliceMut::new(buffer)];
            self.state.recv((&self.socket).into(), &mut slices, &mut meta)
        });
        // Nothing there, or an ICMP error of an earlier send, which is nobody's business here.
        let Ok(1..) = received else { return };
        let [meta] = meta;
        let path = Path {
            client: meta.addr,
            local: meta.dst_ip,
        };
        let datagrams = buffer.get(..meta.len).unwrap_or_default().chunks(meta.stride.max(1));
        for datagram in datagrams.filter(|datagram| datagram.len() <= MAX_MESSAGE) {
            self.handle(path, datagram, Moment::now());
        }
    }

    fn handle(&mut self, path: Path, datagram: &[u8], now: Moment) {
        // A stranger leaves nothing behind: the client is kept once it has an allocation.
        let mut client = self.clients.remove(&path).unwrap_or_else(|| Client::new(path.client));
        let before = client.allocation();
        let reaction = client.handle(&self.turn.relay, &self.queue, datagram, now);
        let answer = self.turn.react(reaction);
        let after = client.allocation();
        if before != after
            && let Some(before) = before
        {
            self.by_allocation.remove(&before);
        }
        if let Some(allocation) = after {
            self.by_allocation.insert(allocation, path);
            self.clients.insert(path, client);
        }
        if let Some((bytes, to_stranger)) = answer
            && (!to_stranger || after.is_some() || self.strangers.spend(now.instant))
        {
            self.send(path, &bytes);
        }
    }

    fn pass_on(&mut self, datagram: &Relayed, now: Instant) {
        let client = self
            .by_allocation
            .get(&datagram.remote)
            .and_then(|path| Some((*path, self.clients.get(path)?)));
        if let Some((path, client)) = client
            && let Some(bytes) = client.wrap(datagram, false, now)
        {
            self.send(path, &bytes);
        }
    }

    /// Dropped where the kernel's buffer is full, as a network would.
    fn send(&self, path: Path, contents: &[u8]) {
        let transmit = Transmit {
            destination: path.client,
            ecn: None,
            contents,
            segment_size: None,
            src_ip: path.local,
        };
        let sent = self.socket.try_io(Interest::WRITABLE, || {
            self.state.try_send((&self.socket).into(), &transmit)
        });
        if let Err(error) = sent {
            tracing::trace!(%error, "TURN by UDP: not sent");
        }
    }

    fn expire(&mut self, now: Instant) {
        self.clients.retain(|_, client| {
            client.expire(now);
            client.allocation().is_some()
        });
        self.by_allocation.retain(|_, path| self.clients.contains_key(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_answered_so_often_and_no_more() {
        let now = Instant::now();
        let mut allowance = Allowance { since: now, spent: 0 };
        let answered = (0..3 * ANSWERS_TO_STRANGERS).filter(|_| allowance.spend(now)).count();
        assert_eq!(answered, ANSWERS_TO_STRANGERS as usize);
        assert!(allowance.spend(now + Duration::from_secs(1)));
    }
}
