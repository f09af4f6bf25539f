//! UDP in batches: many datagrams a system call, both ways.

#[cfg(target_os = "linux")]
mod batch;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;

use footlight_sfu::{Protocol, Transmit};
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};

use super::address::Addresses;

/// Largest datagram taken in at once, with all segments that the kernel glued together (GRO).
const MAX_RECEIVED: usize = 65_535;

/// Datagrams that wait while a socket's kernel buffer is full. Some 5 MB; beyond it the oldest are dropped, for they
/// are the stalest.
const MAX_WAITING: usize = 4096;

/// Batches read from one socket before what they bring is sent and others get their turn.
const BATCHES_PER_TURN: usize = 8;

/// The same, at most, of a socket that turns do not empty, while most of what they bring is for somebody: each such turn may read twice as
/// many as the one before. 2,048 datagrams take some 6 ms. A turn costs a call for each viewer, and at the limit of what a core does,
/// there is no time for turns that bring little.
const BATCHES_PER_LONG_TURN: usize = 64;

/// Bytes of datagrams that are put together for one call. More would only wait longer for it.
const BYTES_PER_CALL: usize = 128 * 1024;

/// Messages that are put together for one call, each to one destination.
#[cfg(target_os = "linux")]
const MESSAGES_PER_CALL: usize = batch::MOST;
#[cfg(not(target_os = "linux"))]
const MESSAGES_PER_CALL: usize = 1;

struct Bound {
    socket: UdpSocket,
    state: UdpSocketState,
    ip: IpAddr,
    is_readable: bool,
    /// Batches that the next turn may read.
    batches: usize,
}

/// What a socket had no room for.
struct Waiting {
    source: SocketAddr,
    destination: SocketAddr,
    segment_size: usize,
    contents: Vec<u8>,
}

/// Datagrams that leave with the next call, in the order in which they came.
#[derive(Default)]
struct Departing {
    messages: Vec<Message>,
    contents: Vec<u8>,
}

/// One datagram, or several of one size, to one destination.
struct Message {
    source: SocketAddr,
    destination: SocketAddr,
    segment_size: usize,
    contents: Range<usize>,
}

impl Departing {
    fn is_full(&self) -> bool {
        self.messages.len() >= MESSAGES_PER_CALL || self.contents.len() >= BYTES_PER_CALL
    }

    fn push(&mut self, transmit: &Transmit<'_>) {
        let start = self.contents.len();
        self.contents.extend_from_slice(transmit.contents);
        self.messages.push(Message {
            source: transmit.source,
            destination: transmit.destination,
            segment_size: transmit.segment_size,
            contents: start..self.contents.len(),
        });
    }

    fn transmit(&self, message: &Message) -> Transmit<'_> {
        Transmit {
            protocol: Protocol::Udp,
            source: message.source,
            destination: message.destination,
            contents: self.contents.get(message.contents.clone()).unwrap_or_default(),
            segment_size: message.segment_size,
        }
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.contents.clear();
    }
}

/// A worker's UDP sockets.
pub(super) struct UdpPort {
    sockets: Vec<Bound>,
    buffer: Vec<u8>,
    departing: Departing,
    waiting: VecDeque<Waiting>,
    /// Datagrams that could not be sent.
    pub(super) lost: u64,
}

impl UdpPort {
    /// Registers `sockets` with tokens from `first` on.
    pub(super) fn new(sockets: Vec<std::net::UdpSocket>, registry: &Registry, first: usize) -> io::Result<Self> {
        let mut bound = Vec::new();
        for (index, socket) in sockets.into_iter().enumerate() {
            let ip = socket.local_addr()?.ip();
            let state = UdpSocketState::new((&socket).into())?;
            let mut socket = UdpSocket::from_std(socket);
            registry.register(
                &mut socket,
                Token(first + index),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            bound.push(Bound {
                socket,
                state,
                ip,
                is_readable: true,
                batches: BATCHES_PER_TURN,
            });
        }
        Ok(Self {
            sockets: bound,
            buffer: vec![0; BATCH_SIZE * MAX_RECEIVED],
            departing: Departing::default(),
            waiting: VecDeque::new(),
            lost: 0,
        })
    }

    pub(super) fn set_readable(&mut self, index: usize) {
        if let Some(bound) = self.sockets.get_mut(index) {
            bound.is_readable = true;
        }
    }

    /// Whether something is left to be read.
    pub(super) fn is_readable(&self) -> bool {
        self.sockets.iter().any(|bound| bound.is_readable)
    }

    /// Reads what is there, up to a fair share, and hands each datagram over with source and destination. `handle` says whether it was for
    /// anybody.
    pub(super) fn receive(
        &mut self,
        addresses: &Addresses,
        mut handle: impl FnMut(SocketAddr, SocketAddr, &[u8]) -> bool,
    ) {
        for bound in &mut self.sockets {
            let (mut datagrams, mut wanted) = (0, 0);
            for _ in 0..bound.batches {
                if !bound.is_readable {
                    break;
                }
                let mut chunks = self.buffer.chunks_mut(MAX_RECEIVED);
                let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
                    std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
                let mut metas = [RecvMeta::default(); BATCH_SIZE];
                let count = match bound.state.recv((&bound.socket).into(), &mut slices, &mut metas) {
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        bound.is_readable = false;
                        break;
                    }
                    Err(error) => {
                        // An ICMP error of an earlier send comes up here; the next read goes on.
                        tracing::trace!(%error, "UDP receive");
                        continue;
                    }
                };
                for (meta, slice) in metas.iter().zip(&slices).take(count) {
                    let destination = addresses.destination(meta.dst_ip.unwrap_or(bound.ip));
                    for datagram in slice.get(..meta.len).unwrap_or_default().chunks(meta.stride.max(1)) {
                        datagrams += 1;
                        wanted += usize::from(handle(meta.addr, destination, datagram));
                    }
                }
            }
            // A flood of what is for nobody must not make all others wait longer.
            bound.batches = if bound.is_readable && wanted * 2 >= datagrams {
                (bound.batches * 2).min(BATCHES_PER_LONG_TURN)
            } else {
                BATCHES_PER_TURN
            };
        }
    }

    /// Sends datagrams together with others, at the latest with [`Self::flush`].
    pub(super) fn send(&mut self, transmit: &Transmit<'_>, addresses: &Addresses) {
        self.departing.push(transmit);
        if self.departing.is_full() {
            self.depart(addresses);
        }
    }

    /// Sends what was put together, in as few calls as it can, or keeps it until its socket has room.
    fn depart(&mut self, addresses: &Addresses) {
        let mut departing = mem::take(&mut self.departing);
        let mut done = 0;
        while let Some(first) = departing.messages.get(done) {
            let together = if self.waiting.is_empty() {
                self.try_send_together(&departing, done, addresses)
            } else {
                0
            };
            if together == 0 {
                self.send_one(&departing.transmit(first), addresses);
            }
            done += together.max(1);
        }
        departing.clear();
        self.departing = departing;
    }

    /// Sends the messages from `first` on that leave by the same socket, as many as the kernel takes in one call. How many these were: none
    /// where the first has to be looked at by itself, or is alone.
    #[cfg(target_os = "linux")]
    fn try_send_together(&self, departing: &Departing, first: usize, addresses: &Addresses) -> usize {
        let messages = departing.messages.get(first..).unwrap_or_default();
        let socket_of = |message: &Message| choose(&self.sockets, message.source.ip(), message.destination.is_ipv4());
        let [one, _, ..] = messages else {
            return 0;
        };
        let Some(bound) = socket_of(one) else {
            return 0;
        };
        let most_segments = bound.state.max_gso_segments().max(1);
        let together = messages
            .iter()
            .take_while(|message| socket_of(message).is_some_and(|other| std::ptr::eq(other, bound)))
            .map(|message| departing.transmit(message))
            .take_while(|transmit| transmit.datagrams().len() <= most_segments)
            .map(|transmit| batch::Message {
                destination: transmit.destination,
                source: addresses.source(transmit.source.ip()),
                contents: transmit.contents,
                segment_size: (transmit.contents.len() > transmit.segment_size).then_some(transmit.segment_size as u16),
            });
        // An error is that of the first, which is told by itself what it is.
        batch::send(bound.socket.as_fd(), together).unwrap_or(0)
    }

    /// There is no call for several destinations.
    #[cfg(not(target_os = "linux"))]
    fn try_send_together(&self, _: &Departing, _: usize, _: &Addresses) -> usize {
        0
    }

    /// Sends datagrams to one destination, or keeps them until their socket has room.
    fn send_one(&mut self, transmit: &Transmit<'_>, addresses: &Addresses) {
        // Behind others that wait, so that the order is kept.
        let sent = if self.waiting.is_empty() {
            self.try_send(transmit, addresses)
        } else {
            0
        };
        let left = transmit.contents.get(sent..).unwrap_or_default();
        if !left.is_empty() {
            self.waiting.push_back(Waiting {
                source: transmit.source,
                destination: transmit.destination,
                segment_size: transmit.segment_size,
                contents: left.to_vec(),
            });
        }
    }

    /// Sends what is put together and what waits.
    pub(super) fn flush(&mut self, addresses: &Addresses) {
        self.depart(addresses);
        while let Some(mut first) = self.waiting.pop_front() {
            let transmit = Transmit {
                protocol: Protocol::Udp,
                source: first.source,
                destination: first.destination,
                contents: &first.contents,
                segment_size: first.segment_size,
            };
            let sent = self.try_send(&transmit, addresses);
            if sent < first.contents.len() {
                first.contents.drain(..sent);
                self.waiting.push_front(first);
                break;
            }
        }
        let count = |waiting: &Waiting| waiting.contents.len().div_ceil(waiting.segment_size.max(1));
        let mut excess = self
            .waiting
            .iter()
            .map(count)
            .sum::<usize>()
            .saturating_sub(MAX_WAITING);
        while excess > 0
            && let Some(oldest) = self.waiting.pop_front()
        {
            let lost = count(&oldest);
            self.lost += lost as u64;
            excess = excess.saturating_sub(lost);
        }
    }

    /// Sends as much as the socket takes, in as few calls as it can. How many bytes are done with: all, but where it has no
    /// room.
    fn try_send(&mut self, transmit: &Transmit<'_>, addresses: &Addresses) -> usize {
        let (destination, segment_size) = (transmit.destination, transmit.segment_size.max(1));
        let mut done = 0;
        while let Some(left) = transmit.contents.get(done..).filter(|left| !left.is_empty()) {
            let Some(bound) = choose(&self.sockets, transmit.source.ip(), destination.is_ipv4()) else {
                self.lost += left.len().div_ceil(segment_size) as u64;
                return transmit.contents.len();
            };
            let most = segment_size * bound.state.max_gso_segments().max(1);
            let contents = left.get(..most).unwrap_or(left);
            let is_one = contents.len() <= segment_size;
            let run = quinn_udp::Transmit {
                destination,
                ecn: None,
                contents,
                segment_size: (!is_one).then_some(segment_size),
                src_ip: addresses.source(transmit.source.ip()),
            };
            match bound.state.try_send((&bound.socket).into(), &run) {
                Ok(()) => done += contents.len(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return done,
                // Not every network device can segment; the state has noted it, and they go out one by one.
                Err(error) if !is_one && bound.state.max_gso_segments() == 1 => {
                    tracing::debug!(%error, "sending segments failed");
                }
                Err(error) => {
                    tracing::trace!(%error, "UDP send");
                    self.lost += contents.len().div_ceil(segment_size) as u64;
                    done += contents.len();
                }
            }
        }
        done
    }
}

/// The socket bound to `source`, or to any address of its family.
fn choose(sockets: &[Bound], source: IpAddr, is_ipv4: bool) -> Option<&Bound> {
    let of_family = || sockets.iter().filter(|bound| bound.ip.is_ipv4() == is_ipv4);
    of_family()
        .find(|bound| bound.ip == source)
        .or_else(|| of_family().next())
}
