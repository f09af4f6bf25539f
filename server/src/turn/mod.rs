//! The relay for networks that let through neither UDP nor a port of its own for media: TURN (RFC 8656) by UDP, by TCP and
//! by TLS, all on the port of the pages. With that port alone a browser has pages, signaling and media.
//!
//! ```text
//! http::listener ──▶ stream ─┐                ┌─▶ media (a worker's mailbox)
//!                            ├─▶ relay ───────┤
//!            udp ────────────┘   registry ◀───┘
//! ```
//!
//! **The invariant to keep:** nothing is relayed to anybody but our own media port. A relayed address is a name within this
//! process and no socket, so that there is nothing with which another host could be reached; and who asks for another is
//! refused as well.

mod credentials;
pub(crate) mod message;
mod registry;
mod relay;
mod stream;
mod udp;

use std::sync::Arc;

use tokio::sync::mpsc;

pub(crate) use credentials::REALM;
pub use credentials::{Login, TurnSecret};
pub(crate) use stream::speaks_turn;
pub(crate) use udp::open as open_udp;

use crate::media::{Media, Relayed};
use relay::{Reaction, Relay};

/// Longest message of a client, in bytes. Datagrams of media stay within an Ethernet frame; TURN's own are shorter.
const MAX_MESSAGE: usize = 2048;

/// Datagrams from the media workers that wait for one client's task.
const RELAYED_QUEUE: usize = 64;

/// The relay, as its sockets see it.
pub struct Turn {
    relay: Relay,
    media: Media,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

impl Turn {
    /// To the addresses of `media`, and to no others.
    pub(crate) fn new(secret: TurnSecret, media: Media) -> Arc<Self> {
        let relay = Relay::new(secret, Arc::default(), media.advertised(), media.port());
        Arc::new(Self { relay, media })
    }

    /// Hands what the media workers send to the clients' tasks, until the workers have stopped.
    pub(crate) async fn run(self: Arc<Self>, mut relayed: mpsc::Receiver<Relayed>) {
        while let Some(datagram) = relayed.recv().await {
            self.relay.registry().deliver(datagram);
        }
    }

    /// Allocations, and datagrams that were dropped because a client was slow.
    pub(crate) fn figures(&self) -> (u64, u64) {
        self.relay.registry().figures()
    }

    /// Does what is to be done; gives the answer, and whether it goes to a stranger.
    fn react(&self, reaction: Reaction<'_>) -> Option<(Vec<u8>, bool)> {
        match reaction {
            Reaction::Nothing => None,
            Reaction::Reply { bytes, to_stranger } => Some((bytes, to_stranger)),
            Reaction::Relay {
                allocation,
                peer,
                contents,
            } => {
                self.media.receive_relayed(Relayed {
                    remote: allocation,
                    local: peer,
                    contents: contents.to_vec(),
                });
                None
            }
        }
    }
}
