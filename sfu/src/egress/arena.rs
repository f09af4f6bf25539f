//! Datagrams on their way to the socket, one behind the other in one buffer.
//!
//! Datagrams for one destination that are made one after the other lie side by side and leave in one call (generic
//! segmentation offload); and once the buffer has grown to what one round needs, none of them is allocated.

use std::collections::VecDeque;
use std::net::SocketAddr;

use str0m::net::Protocol;

/// What fits into one send with all its segments: what an IP packet can say about its length, less headers.
const LONGEST_RUN: usize = 65_000;

/// The kernel takes no more segments at once (`UDP_MAX_SEGMENTS`).
const MOST_SEGMENTS: usize = 64;

/// A buffer that only grows, so that room that was used before need not be cleared again.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    bytes: Vec<u8>,
    used: usize,
}

impl Arena {
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Everything before, and `room` more bytes, of any content.
    pub(super) fn grow(&mut self, room: usize) -> (&[u8], &mut [u8]) {
        let start = self.used;
        self.used += room;
        if self.bytes.len() < self.used {
            self.bytes.resize(self.used.next_power_of_two(), 0);
        }
        let (before, rest) = self.bytes.split_at_mut(start);
        (before, &mut rest[..room])
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.grow(bytes.len()).1.copy_from_slice(bytes);
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.used = self.used.min(len);
    }
}

/// One or more datagrams from one address to another.
#[derive(Debug, Clone, Copy)]
pub struct Transmit<'a> {
    /// How they go.
    pub protocol: Protocol,
    /// Our address.
    pub source: SocketAddr,
    /// Theirs.
    pub destination: SocketAddr,
    /// The datagrams one behind the other.
    pub contents: &'a [u8],
    /// Bytes of each datagram; the last may be shorter.
    pub segment_size: usize,
}

impl<'a> Transmit<'a> {
    /// The datagrams by themselves.
    pub fn datagrams(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        self.contents.chunks(self.segment_size.max(1))
    }
}

/// Where datagrams go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) protocol: Protocol,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    path: Path,
    start: usize,
    length: usize,
    segment: usize,
    /// Another datagram may join it.
    is_open: bool,
}

/// Datagrams that wait for the socket.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    arena: Arena,
    runs: VecDeque<Run>,
    datagrams: usize,
}

impl Departures {
    /// Where the next datagram is written, for [`Self::add`].
    pub(super) fn arena(&mut self) -> &mut Arena {
        if self.runs.is_empty() {
            self.arena.truncate(0);
        }
        &mut self.arena
    }

    /// What was written from `start` on is a datagram along `path`.
    pub(super) fn add(&mut self, path: Path, start: usize) {
        let length = self.arena.len() - start;
        self.datagrams += 1;
        if let Some(run) = self.runs.back_mut()
            && run.is_open
            && run.path == path
            && length <= run.segment
            && run.length + length <= LONGEST_RUN
            && run.length / run.segment.max(1) < MOST_SEGMENTS
        {
            run.length += length;
            run.is_open = length == run.segment;
            return;
        }
        self.runs.push_back(Run {
            path,
            start,
            length,
            segment: length,
            is_open: path.protocol == Protocol::Udp && length > 0,
        });
    }

    /// A datagram that somebody else made.
    pub(crate) fn copy(&mut self, path: Path, contents: &[u8]) {
        let start = self.arena().len();
        self.arena.push(contents);
        self.add(path, start);
    }

    /// Datagrams that were ever added.
    pub(crate) fn count(&self) -> usize {
        self.datagrams
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(crate) fn pop(&mut self) -> Option<Transmit<'_>> {
        let run = self.runs.pop_front()?;
        Some(Transmit {
            protocol: run.path.protocol,
            source: run.path.source,
            destination: run.path.destination,
            contents: self
                .arena
                .bytes
                .get(run.start..run.start + run.length)
                .unwrap_or_default(),
            segment_size: run.segment,
        })
    }
}
