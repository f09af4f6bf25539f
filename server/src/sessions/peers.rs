//! Which WebRTC peer belongs to whom.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use footlight_protocol::{SessionId, UserId};

use super::session::Session;
use crate::media::{MediaEvent, PeerId};
use crate::rooms::Publication;
use crate::token::unguessable_name;

/// Events that wait for their peer to be entered. They arrive within the moment between a worker's answer and its receipt,
/// a handful for each negotiation under way; the bound is for peers whose request was given up in that moment.
const EARLY_EVENTS: usize = 1024;

/// What a peer is for.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    /// It brings media.
    Publish(Publication),
    /// It takes media, for a participant with a WebSocket.
    Subscribe(UserId),
    /// It takes media, and is itself the participant (WHEP).
    Watch(UserId),
    /// It takes media for a tile on the grid, and is nobody.
    Preview,
}

/// One entry.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) session: Arc<Session>,
    pub(super) purpose: Purpose,
}

/// Which of the two protocols a resource belongs to: they have paths of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// RFC 9725.
    Whip,
    /// draft-ietf-wish-whep.
    Whep,
}

/// A WHIP or WHEP session resource.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The last part of its URL.
    pub name: String,
    /// The protocol.
    pub kind: ResourceKind,
    /// The part of its URL before the name.
    pub session: SessionId,
    /// Its connection.
    pub peer: PeerId,
    /// The current ICE session (RFC 9725 §4.3.1), as it stands in `ETag`.
    pub etag: String,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Peers {
    entries: HashMap<PeerId, Peer>,
    resources: HashMap<String, Resource>,
    /// A worker's events overtake the answer that tells the peer's number; they wait here.
    early: VecDeque<(PeerId, MediaEvent)>,
}

impl Peers {
    /// Enters a peer; gives the events that came too early.
    #[must_use]
    pub(super) fn enter(&mut self, id: PeerId, peer: Peer) -> Vec<MediaEvent> {
        self.entries.insert(id, peer);
        let (early, others) = std::mem::take(&mut self.early)
            .into_iter()
            .partition::<VecDeque<_>, _>(|(peer, _)| *peer == id);
        self.early = others;
        early.into_iter().map(|(_, event)| event).collect()
    }

    /// The entry of a peer.
    pub(super) fn get(&self, id: PeerId) -> Option<Peer> {
        self.entries.get(&id).cloned()
    }

    /// Keeps an event for a peer that is not entered yet.
    pub(super) fn defer(&mut self, id: PeerId, event: MediaEvent) {
        if self.early.len() >= EARLY_EVENTS {
            self.early.pop_front();
        }
        self.early.push_back((id, event));
    }

    /// Forgets a peer that is gone.
    pub(super) fn remove(&mut self, id: PeerId) -> Option<Peer> {
        self.resources.retain(|_, resource| resource.peer != id);
        self.entries.remove(&id)
    }

    /// Names the peer in a URL.
    pub(super) fn name(&mut self, peer: PeerId, kind: ResourceKind, session: SessionId) -> Resource {
        let resource = Resource {
            name: unguessable_name(),
            kind,
            session,
            peer,
            etag: new_etag(),
        };
        self.resources.insert(resource.name.clone(), resource.clone());
        resource
    }

    /// The resource at a URL.
    pub(super) fn resource(&self, kind: ResourceKind, session: &SessionId, name: &str) -> Option<Resource> {
        self.resources
            .get(name)
            .filter(|resource| resource.kind == kind && resource.session == *session)
            .cloned()
    }

    /// Marks the beginning of a new ICE session; gives its tag.
    pub(super) fn renew_etag(&mut self, name: &str) -> Option<String> {
        let resource = self.resources.get_mut(name)?;
        resource.etag = new_etag();
        Some(resource.etag.clone())
    }
}

fn new_etag() -> String {
    format!("\"{}\"", unguessable_name())
}
