//! Which WebRTC peer belongs to whom.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use footlight_protocol::{SessionId, UserId};

use super::crowds::Standing;
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
    entries: HashMap<PeerId, Entry>,
    resources: HashMap<String, Resource>,
    /// A worker's events overtake the answer that tells the peer's number; they wait here.
    early: VecDeque<(PeerId, MediaEvent)>,
    /// Those that were closed from here, until their workers report that they are: what is told of them is told to nobody.
    /// Bounded by the peers of the workers.
    leaving: HashSet<PeerId>,
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    /// Counts it among its network's, while it is to be counted.
    standing: Option<Standing>,
}

impl Peers {
    /// Enters a peer; gives the events that came too early.
    #[must_use]
    pub(super) fn enter(&mut self, id: PeerId, peer: Peer, standing: Option<Standing>) -> Vec<MediaEvent> {
        self.entries.insert(id, Entry { peer, standing });
        self.take_early(id)
    }

    fn take_early(&mut self, id: PeerId) -> Vec<MediaEvent> {
        let (early, others) = std::mem::take(&mut self.early)
            .into_iter()
            .partition::<VecDeque<_>, _>(|(peer, _)| *peer == id);
        self.early = others;
        early.into_iter().map(|(_, event)| event).collect()
    }

    /// It is connected, and no more one of those that a mere request makes. A preview is that for as long as it lasts.
    pub(super) fn connected(&mut self, id: PeerId) {
        if let Some(entry) = self.entries.get_mut(&id)
            && !matches!(entry.peer.purpose, Purpose::Preview)
        {
            entry.standing = None;
        }
    }

    /// The entry of a peer.
    pub(super) fn get(&self, id: PeerId) -> Option<Peer> {
        self.entries.get(&id).map(|entry| entry.peer.clone())
    }

    /// Keeps an event for a peer that is not entered yet.
    pub(super) fn defer(&mut self, id: PeerId, event: MediaEvent) {
        if self.leaving.contains(&id) {
            if matches!(event, MediaEvent::Closed { .. }) {
                self.leaving.remove(&id);
            }
            return;
        }
        if self.early.len() >= EARLY_EVENTS {
            self.early.pop_front();
        }
        self.early.push_back((id, event));
    }

    /// Forgets a peer that is gone.
    pub(super) fn remove(&mut self, id: PeerId) -> Option<Peer> {
        self.resources.retain(|_, resource| resource.peer != id);
        self.entries.remove(&id).map(|entry| entry.peer)
    }

    /// Forgets a peer that is being closed from here, and of which its worker will say so.
    pub(super) fn remove_closing(&mut self, id: PeerId) -> Option<Peer> {
        let peer = self.remove(id)?;
        self.leaving.insert(id);
        Some(peer)
    }

    /// The same for one that is closed before it was entered.
    pub(super) fn discard(&mut self, id: PeerId) {
        let early = self.take_early(id);
        if !early.iter().any(|event| matches!(event, MediaEvent::Closed { .. })) {
            self.leaving.insert(id);
        }
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

#[cfg(test)]
mod tests {
    use footlight_sfu::{CloseReason, Direction, Identity, PeerRequest, Sfu, SfuConfig, WorkerId};

    use super::*;

    /// The name of a peer, which only the media core gives.
    fn peer_id() -> PeerId {
        let mut rtc = str0m::RtcConfig::new().build(std::time::Instant::now());
        let mut changes = rtc.sdp_api();
        changes.add_media(
            str0m::media::MediaKind::Audio,
            str0m::media::Direction::RecvOnly,
            None,
            None,
            None,
        );
        let offer = changes.apply().expect("there are changes").0.to_sdp_string();
        let mut sfu = Sfu::new(SfuConfig {
            worker: WorkerId(0),
            candidates: Vec::new(),
            identity: Identity::generate().expect("a key"),
        });
        let request = PeerRequest {
            session: "show".into(),
            user: "ann".into(),
            direction: Direction::Subscribe,
            offer: &offer,
            sources: None,
            muted: crate::media::Muted::default(),
        };
        sfu.accept(&request, std::time::Instant::now()).expect("a peer").0
    }

    fn closed(peer: PeerId) -> MediaEvent {
        let reason = CloseReason::Requested;
        MediaEvent::Closed { peer, reason }
    }

    #[test]
    fn what_is_told_of_a_peer_that_was_closed_here_is_kept_for_nobody() {
        let mut peers = Peers::default();
        let peer = peer_id();
        peers.discard(peer);
        peers.defer(peer, MediaEvent::Connected { peer });
        peers.defer(peer, closed(peer));
        assert!(peers.early.is_empty() && peers.leaving.is_empty());
        // The report may be faster.
        peers.defer(peer, closed(peer));
        peers.discard(peer);
        assert!(peers.early.is_empty() && peers.leaving.is_empty());
        // What comes before a peer is entered is kept for it.
        peers.defer(peer, MediaEvent::Connected { peer });
        assert_eq!(peers.take_early(peer), [MediaEvent::Connected { peer }]);
    }
}
