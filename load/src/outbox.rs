//! Datagrams on their way out, sent in runs by generic segmentation offload.

use std::{io, net::SocketAddr};

use mio::net::UdpSocket;
use quinn_udp::{Transmit, UdpSocketState};

/// The longest run in bytes: an IP packet's length field has 16 bits, and a segmented send counts as one packet.
const MAX_RUN: usize = 60_000;

/// Datagrams of one size to one address, which one system call sends.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    destination: Option<SocketAddr>,
    /// Length of all datagrams of the run but the last, which may be shorter.
    segment: usize,
    segments: usize,
    /// A shorter datagram ends the run.
    closed: bool,
    /// Datagrams that the system would not take.
    pub(crate) dropped: u64,
}

impl Outbox {
    /// Adds a datagram, sending what was there before if it cannot join it.
    pub(crate) fn push(&mut self, io: Io<'_>, destination: SocketAddr, datagram: &[u8]) {
        let joins = self.destination == Some(destination)
            && !self.closed
            && datagram.len() <= self.segment
            && self.segments < io.state.max_gso_segments()
            && self.bytes.len() + datagram.len() <= MAX_RUN;
        if !joins {
            self.flush(io);
            self.destination = Some(destination);
            self.segment = datagram.len();
        }
        self.closed = datagram.len() < self.segment;
        self.bytes.extend_from_slice(datagram);
        self.segments += 1;
    }

    /// Sends what is there.
    pub(crate) fn flush(&mut self, io: Io<'_>) {
        if let Some(destination) = self.destination.take().filter(|_| !self.bytes.is_empty()) {
            let several = (self.segments > 1).then_some(self.segment);
            if io.send(destination, &self.bytes, several).is_err() {
                // A driver may refuse segmentation at the first try; one by one always works.
                for datagram in self.bytes.chunks(self.segment.max(1)) {
                    if io.send(destination, datagram, None).is_err() {
                        self.dropped += 1;
                    }
                }
            }
        }
        self.bytes.clear();
        self.segments = 0;
        self.closed = false;
    }
}

/// A socket and what is known of its abilities.
#[derive(Clone, Copy)]
pub(crate) struct Io<'a> {
    pub(crate) socket: &'a UdpSocket,
    pub(crate) state: &'a UdpSocketState,
}

impl Io<'_> {
    fn send(self, destination: SocketAddr, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size,
            src_ip: None,
        };
        self.state.try_send(self.socket.into(), &transmit)
    }
}
