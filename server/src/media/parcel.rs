//! Datagrams for another worker's peers, many in one message.
//!
//! The kernel spreads datagrams over the workers' sockets by their addresses and knows nothing of peers: of N workers, all but
//! one in N datagrams come to a worker that has to hand them on. What carries them comes back and is filled again, so that
//! nothing is allocated for a datagram.

use std::net::SocketAddr;
use std::sync::mpsc::SyncSender;

use footlight_sfu::{Protocol, WorkerId};

/// Bytes of one parcel.
const MOST_BYTES: usize = 128 * 1024;

/// Datagrams of one parcel: small ones take the reader more time than they take memory.
const MOST_DATAGRAMS: usize = 512;

/// Parcels for one worker, on their way or at home. What does not fit into them is dropped, as the network would: full ones are
/// 100 ms of what a worker can take in.
pub(super) const MOST_PARCELS: usize = 16;

/// Protocol, source and destination of a datagram.
pub(super) type Path = (Protocol, SocketAddr, SocketAddr);

/// Datagrams for one worker, in the order in which they came.
#[derive(Debug)]
pub(super) struct Parcel {
    to: WorkerId,
    /// Has room for all parcels that there are.
    home: SyncSender<Parcel>,
    bytes: Vec<u8>,
    each: Vec<(Path, usize)>,
}

impl Parcel {
    pub(super) fn new(to: WorkerId, home: SyncSender<Self>) -> Self {
        Self {
            to,
            home,
            bytes: Vec::new(),
            each: Vec::new(),
        }
    }

    pub(super) fn to(&self) -> WorkerId {
        self.to
    }

    pub(super) fn len(&self) -> usize {
        self.each.len()
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.each.len() < MOST_DATAGRAMS && self.bytes.len() + bytes <= MOST_BYTES
    }

    pub(super) fn put(&mut self, path: Path, contents: &[u8]) {
        self.bytes.extend_from_slice(contents);
        self.each.push((path, contents.len()));
    }

    pub(super) fn datagrams(&self) -> impl Iterator<Item = (Path, &[u8])> {
        let mut rest = &self.bytes[..];
        self.each.iter().map_while(move |(path, length)| {
            let (contents, others) = rest.split_at_checked(*length)?;
            rest = others;
            Some((*path, contents))
        })
    }

    /// Empties it, for whoever filled it to fill again. Where nobody is there any more, nobody needs it.
    pub(super) fn send_home(mut self) {
        self.bytes.clear();
        self.each.clear();
        let home = self.home.clone();
        let _ = home.try_send(self);
    }
}
