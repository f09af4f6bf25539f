//! UDP in batches: many datagrams a system call, both ways.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use footlight_sfu::Transmit;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};

use super::address::Addresses;

/// Largest datagram taken in at once, with all segments that the kernel glued together (GRO).
const MAX_RECEIVED: usize = 65_535;

/// Largest send with all its segments (GSO): what an IP packet can say about its length, less headers.
const MAX_SENT: usize = 65_000;

/// Datagrams that wait while a socket's kernel buffer is full. Some 5 MB; beyond it the oldest are dropped, for they
/// are the stalest.
const MAX_WAITING: usize = 4096;

/// Batches read from one socket before others get their turn.
const BATCHES_PER_TURN: usize = 8;

struct Bound {
    socket: UdpSocket,
    state: UdpSocketState,
    ip: IpAddr,
    is_readable: bool,
}

/// A worker's UDP sockets.
pub(super) struct UdpPort {
    sockets: Vec<Bound>,
    buffer: Vec<u8>,
    waiting: VecDeque<Transmit>,
    segments: Vec<u8>,
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
            });
        }
        Ok(Self {
            sockets: bound,
            buffer: vec![0; BATCH_SIZE * MAX_RECEIVED],
            waiting: VecDeque::new(),
            segments: Vec::with_capacity(MAX_SENT),
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

    /// Reads what is there, up to a fair share, and hands each datagram over with source and destination.
    pub(super) fn receive(&mut self, addresses: &Addresses, mut handle: impl FnMut(SocketAddr, SocketAddr, &[u8])) {
        for bound in &mut self.sockets {
            for _ in 0..BATCHES_PER_TURN {
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
                    let datagrams = slice.get(..meta.len).unwrap_or_default().chunks(meta.stride.max(1));
                    for datagram in datagrams {
                        handle(meta.addr, destination, datagram);
                    }
                }
            }
        }
    }

    pub(super) fn push(&mut self, transmit: Transmit) {
        self.waiting.push_back(transmit);
    }

    /// Sends what waits, runs of equally long datagrams to one destination in one call.
    pub(super) fn flush(&mut self, addresses: &Addresses) {
        if self.waiting.len() > 1 {
            // Stable, so that each destination's order is kept.
            self.waiting
                .make_contiguous()
                .sort_by_key(|transmit| (transmit.destination, transmit.source));
        }
        while !self.waiting.is_empty() {
            match self.send_run(addresses) {
                Ok(sent) => {
                    self.waiting.drain(..sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    tracing::trace!(%error, "UDP send");
                    self.waiting.pop_front();
                    self.lost += 1;
                }
            }
        }
        let excess = self.waiting.len().saturating_sub(MAX_WAITING);
        self.waiting.drain(..excess);
        self.lost += excess as u64;
    }

    /// Sends as many from the front as go out together. How many that were.
    fn send_run(&mut self, addresses: &Addresses) -> io::Result<usize> {
        let Some(first) = self.waiting.front() else {
            return Ok(0);
        };
        let (source, destination, length) = (first.source, first.destination, first.contents.len());
        let Some(bound) = choose(&self.sockets, source.ip(), destination.is_ipv4()) else {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        };
        let most = bound.state.max_gso_segments().min(MAX_SENT / length.max(1)).max(1);
        let mut count = 0;
        for transmit in self.waiting.iter().take(most) {
            let is_alike = transmit.destination == destination && transmit.source == source;
            if !is_alike || transmit.contents.len() > length {
                break;
            }
            count += 1;
            // Only the last segment may be shorter.
            if transmit.contents.len() < length {
                break;
            }
        }
        self.segments.clear();
        let contents: &[u8] = if count > 1 {
            for transmit in self.waiting.iter().take(count) {
                self.segments.extend_from_slice(&transmit.contents);
            }
            &self.segments
        } else {
            &first.contents
        };
        let run = quinn_udp::Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: (count > 1).then_some(length),
            src_ip: addresses.source(source.ip()),
        };
        match bound.state.try_send((&bound.socket).into(), &run) {
            Ok(()) => Ok(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock || count == 1 => Err(error),
            Err(error) => {
                // Not every network device can segment; the state has noted it, and the run goes out one by one.
                tracing::debug!(%error, "sending segments failed");
                let single = quinn_udp::Transmit {
                    contents: &first.contents,
                    segment_size: None,
                    ..run
                };
                bound.state.try_send((&bound.socket).into(), &single).map(|()| 1)
            }
        }
    }
}

/// The socket bound to `source`, or to any address of its family.
fn choose(sockets: &[Bound], source: IpAddr, is_ipv4: bool) -> Option<&Bound> {
    let of_family = || sockets.iter().filter(|bound| bound.ip.is_ipv4() == is_ipv4);
    of_family()
        .find(|bound| bound.ip == source)
        .or_else(|| of_family().next())
}
