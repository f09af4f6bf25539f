//! The core of one worker: its peers, and the way in and out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::config::DtlsCert;
use str0m::media::Mid;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input};

use crate::egress::{self, Transmit};
use crate::id::IdMap;
use crate::peer::{Outbox, Peer, Role, Setup};
use crate::publish::Publishing;
use crate::relay::{Control, Publisher, Recipient, RelayMessage};
use crate::route::{self, Owner, Remote, Routes};
use crate::sdp;
use crate::session::Session;
use crate::source;
use crate::speakers::Speakers;
use crate::timers::Timers;
use crate::track::{Track, TrackPacket};
use crate::unsupported;
use crate::{CloseReason, Counters, Muted, PeerId, SessionId, SfuError, SfuEvent, Source, TrackId, UserId, WorkerId};

/// Most peers of one worker. One core encrypts and sends for about a thousand viewers; the rest is room for those that
/// are idle. It bounds memory.
pub const MAX_PEERS: usize = 4096;

/// A peer that has not connected by then is closed: a browser gives up trying after 30 s as well.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Least time between two wake-ups of one peer. An engine with something to say and nowhere to send it asks to be woken
/// at once, again and again.
pub(crate) const LEAST_SLEEP: Duration = Duration::from_millis(1);

/// What a peer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Sends media to the session.
    Publish,
    /// Receives the session's media.
    Subscribe,
}

/// What [`Sfu::accept`] needs.
#[derive(Debug, Clone)]
pub struct PeerRequest<'a> {
    /// Whose media it gets, or adds to.
    pub session: SessionId,
    /// Who it is.
    pub user: UserId,
    /// Which way media flows.
    pub direction: Direction,
    /// SDP (RFC 8866).
    pub offer: &'a str,
    /// For a publisher: where its tracks come from, by the media section. What is not named: the first video section is a
    /// camera and the second a screen, the first audio section a microphone and the second a screen's sound; more are not
    /// forwarded.
    pub sources: Option<&'a BTreeMap<String, Source>>,
    /// For a publisher: what is not forwarded from the start.
    pub muted: Muted,
}

/// How a worker is set up.
#[derive(Debug, Clone)]
pub struct SfuConfig {
    /// This worker's number, unique among those that relay to each other.
    pub worker: WorkerId,
    /// Host candidates that go into every answer.
    pub candidates: Vec<Candidate>,
    /// The DTLS identity, shared by all workers and peers: making a key per peer would cost each join a millisecond.
    pub identity: Identity,
}

/// A DTLS certificate and its key.
#[derive(Clone)]
pub struct Identity(DtlsCert);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

impl Identity {
    /// A new self-signed one; `None` where the crypto library cannot make a key. WebRTC trusts it by its fingerprint in
    /// SDP (RFC 8827 §5.5).
    pub fn generate() -> Option<Self> {
        let crypto = str0m::crypto::from_feature_flags();
        crypto.dtls_provider.generate_certificate().map(Self)
    }
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routed {
    /// A peer of this worker took it.
    Handled,
    /// It belongs to another worker's peer and should be handed to that worker.
    Worker(WorkerId),
    /// It belongs to nobody.
    Unknown,
}

/// All peers of one worker.
///
/// It does nothing by itself: the application feeds it datagrams, relay messages and the time, and after each call
/// takes what came of it from [`Self::poll_transmit`], [`Self::poll_relay`] and [`Self::poll_event`] until they are
/// empty. These queues are bounded by that: one call adds at most what one packet causes.
pub struct Sfu {
    pub(crate) worker: WorkerId,
    pub(crate) setup: Setup,
    pub(crate) peers: IdMap<PeerId, Peer>,
    pub(crate) tracks: IdMap<TrackId, Track>,
    pub(crate) sessions: HashMap<SessionId, Session>,
    pub(crate) routes: Routes,
    pub(crate) timers: Timers,
    /// Tracks with a keyframe request that waits for its interval to end.
    pub(crate) delayed: Vec<(TrackId, u8)>,
    pub(crate) speakers: Speakers,
    pub(crate) out: Outbox,
    pub(crate) events: VecDeque<SfuEvent>,
    pub(crate) relays: VecDeque<(Recipient, RelayMessage)>,
    pub(crate) counters: Counters,
    /// Packets of tracks that are yet to be given to their viewers, and when the last one came.
    pub(crate) batch: Vec<(TrackId, TrackPacket)>,
    pub(crate) batch_at: Option<Instant>,
    /// Viewers with packets that wait for the end of the round.
    pub(crate) unsent: VecDeque<PeerId>,
    made: u64,
}

impl Sfu {
    /// A worker without peers.
    pub fn new(config: SfuConfig) -> Self {
        Self {
            worker: config.worker,
            setup: Setup {
                crypto: Arc::new(egress::provider()),
                certificate: config.identity.0,
                candidates: config.candidates.into(),
            },
            peers: IdMap::default(),
            tracks: IdMap::default(),
            sessions: HashMap::new(),
            routes: Routes::new(config.worker),
            timers: Timers::default(),
            delayed: Vec::new(),
            speakers: Speakers::default(),
            out: Outbox::default(),
            events: VecDeque::new(),
            relays: VecDeque::new(),
            counters: Counters::default(),
            batch: Vec::new(),
            batch_at: None,
            unsent: VecDeque::new(),
            made: 0,
        }
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Makes a peer and the answer to its offer.
    pub fn accept(&mut self, request: &PeerRequest<'_>, now: Instant) -> Result<(PeerId, String), SfuError> {
        if self.peers.len() >= MAX_PEERS {
            return Err(SfuError::TooManyPeers);
        }
        if let Some(named) = request.sources {
            source::check(named, request.offer)?;
        }
        let id = PeerId::new(self.worker, self.next_number());
        let credentials = route::credentials(self.worker);
        let fragment = credentials.ufrag.clone();
        let names = (request.session.clone(), request.user.clone());
        let role = match request.direction {
            Direction::Publish => Role::Publish(Box::new(Publishing::new(request.muted))),
            Direction::Subscribe => Role::Subscribe(Vec::new()),
        };
        let mut peer = Peer::new(id, names, role, credentials, request.offer, &self.setup, now);
        let answer = peer.negotiate(request.offer, &self.setup.candidates, now, &mut self.out)?;
        let sections = sdp::media_sections(&answer);
        let flows = |mid: &Mid| {
            peer.media_section(*mid)
                .is_some_and(|(_, ours)| match request.direction {
                    Direction::Publish => ours.is_receiving(),
                    Direction::Subscribe => ours.is_sending(),
                })
        };
        let flowing: Vec<_> = sections.iter().copied().filter(flows).collect();
        if flowing.is_empty() {
            let verb = match request.direction {
                Direction::Publish => "sends",
                Direction::Subscribe => "receives",
            };
            return Err(SfuError::BadOffer(format!("it has no media section that {verb}")));
        }
        unsupported::check(&peer, request.direction, request.offer, &flowing)?;
        self.routes.name(id, fragment);
        self.sessions.entry(request.session.clone()).or_default();
        self.peers.insert(id, peer);
        self.counters.peers += 1;
        self.renew_sources(id, &sections, request.sources, now);
        if request.direction == Direction::Publish {
            let publisher = self.publisher(id).into_iter();
            publisher.for_each(|p| self.announce(Control::PublisherJoined(p), now));
        }
        for mid in sections {
            self.on_media(id, mid, now);
        }
        self.process(now);
        self.touch(id, now);
        Ok((id, answer))
    }

    /// Closes a peer, telling the remote where possible.
    pub fn close(&mut self, id: PeerId, now: Instant) {
        self.close_peer(id, CloseReason::Requested, now);
        self.process(now);
    }

    /// Closes all.
    pub fn close_all(&mut self, now: Instant) {
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for id in peers {
            self.close_peer(id, CloseReason::Requested, now);
        }
        self.process(now);
    }

    /// Takes in a datagram, or one frame of an ICE-TCP connection. Its `destination` is what the socket says, which is another
    /// than the candidate that it was sent to where a router translates.
    pub fn handle_datagram(
        &mut self,
        (protocol, source, destination): (Protocol, SocketAddr, SocketAddr),
        contents: &[u8],
        now: Instant,
    ) -> Routed {
        let remote = Remote {
            protocol,
            address: source,
        };
        let id = match self.routes.owner(remote, contents) {
            Some(Owner::Peer(id)) => id,
            Some(Owner::Worker(worker)) if worker != self.worker => return Routed::Worker(worker),
            _ => {
                self.counters.unknown_datagrams += 1;
                return Routed::Unknown;
            }
        };
        if route::is_media(contents) && self.peers.get(&id).is_some_and(Peer::is_viewer) {
            self.take_feedback(id, contents, now);
            return Routed::Handled;
        }
        let received = self.peers.get_mut(&id).and_then(|peer| {
            // Nothing but ICE goes by it.
            let destination = if route::is_stun(contents) {
                peer.own_address(protocol, destination)
            } else {
                destination
            };
            let received = Receive::new(protocol, source, destination, contents).ok()?;
            Some((peer, received))
        });
        let Some((peer, received)) = received else {
            self.counters.unknown_datagrams += 1;
            return Routed::Unknown;
        };
        let input = Input::Receive(now, received);
        if !peer.accepts(&input) {
            self.counters.unknown_datagrams += 1;
            return Routed::Unknown;
        }
        if route::is_stun(contents) && !self.routes.bind(id, remote) {
            self.counters.unknown_datagrams += 1;
            return Routed::Unknown;
        }
        self.counters.packets_in += 1;
        self.counters.bytes_in += contents.len() as u64;
        peer.heard_at = now;
        if let Input::Receive(_, received) = input {
            peer.receive(received, contents, now, &mut self.out);
        }
        self.process(now);
        self.touch(id, now);
        Routed::Handled
    }

    /// Takes in what another worker sent.
    pub fn handle_relay(&mut self, message: RelayMessage, now: Instant) {
        match message {
            RelayMessage::Packet { track, packet } => self.fan_out(track, packet, now),
            RelayMessage::Control(control) => self.apply(control, now),
        }
        self.process(now);
    }

    /// The transport to `remote` cannot take what it is sent (`true`), or can again. While it cannot, its peer gets no
    /// video; then it starts on a fresh keyframe.
    pub fn set_congested(&mut self, protocol: Protocol, remote: SocketAddr, is_congested: bool, now: Instant) {
        let remote = Remote {
            protocol,
            address: remote,
        };
        if let Some(id) = self.routes.peer_at(remote) {
            self.congest(id, is_congested, now);
            self.process(now);
        }
    }

    /// Moves time to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(id) = self.timers.pop_due(now) {
            let Some(peer) = self.peers.get_mut(&id) else {
                continue;
            };
            if !peer.is_connected && peer.connects_until() <= now {
                self.close_peer(id, CloseReason::NeverConnected, now);
                continue;
            }
            if peer.has_left(now) {
                self.close_peer(id, CloseReason::IceTimeout, now);
                continue;
            }
            peer.handle_timeout(now, &mut self.out);
            if peer.is_due(now) {
                self.mark_unsent(id);
            }
            self.look_at_viewer(id, now);
            self.look_again(id, now);
            self.process(now);
            self.touch(id, now);
        }
        self.send_delayed_keyframe_requests(now);
        self.tell_speakers(now);
        self.process(now);
    }

    /// When [`Self::handle_timeout`] is to be called at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let keyframes = self
            .delayed
            .iter()
            .filter_map(|(id, layer)| self.tracks.get(id)?.keyframes.get(usize::from(*layer))?.due());
        keyframes.chain(self.timers.next()).chain(self.speakers.due()).min()
    }

    /// The next datagrams to send, which leave at `now`: the time of one after the other, where there are many. What
    /// viewers are told of the time of sending, and what their lines are measured by, is exact only then.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit<'_>> {
        self.distribute();
        // One viewer's at a time: what was sealed is still in the processor's cache when it is sent.
        while self.out.departures.is_empty() {
            if !self.flush_next(now) {
                return None;
            }
        }
        let transmit = self.out.departures.pop()?;
        self.counters.packets_out += transmit.datagrams().len() as u64;
        self.counters.bytes_out += transmit.contents.len() as u64;
        Some(transmit)
    }

    /// The next message to other workers.
    pub fn poll_relay(&mut self) -> Option<(Recipient, RelayMessage)> {
        self.distribute();
        self.relays.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<SfuEvent> {
        self.distribute();
        self.events.pop_front()
    }

    /// Figures, cheap enough to take every round.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Handles what the engines reported, and what that causes in other engines.
    pub(crate) fn process(&mut self, now: Instant) {
        while let Some((id, event)) = self.out.events.pop_front() {
            match event {
                Event::Connected => self.on_connected(id, now),
                Event::IceConnectionStateChange(state) => self.on_ice_state(id, state, now),
                Event::Closed => self.close_peer(id, CloseReason::Remote, now),
                Event::RtpPacket(packet) => self.on_packet(id, packet, now),
                Event::PeerStats(stats) => match self.peers.get_mut(&id).filter(|peer| peer.is_viewer()) {
                    Some(viewer) => stats
                        .selected_candidate_pair
                        .iter()
                        .for_each(|pair| viewer.confirm_path(pair)),
                    None => self.grade(id, now),
                },
                Event::MediaIngressStats(stats) => self.on_ingress_stats(id, &stats),
                _ => {}
            }
        }
    }

    /// A viewer whose consent has run out is sent nothing more (RFC 7675 §5.1). A publisher may go by what comes from it.
    fn on_ice_state(&mut self, id: PeerId, state: IceConnectionState, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let is_over = match &mut peer.role {
            Role::Publish(publishing) => {
                publishing.consent.note(state);
                publishing.consent.has_ended(now)
            }
            Role::Subscribe(_) => state == IceConnectionState::Disconnected,
        };
        if peer.is_connected && is_over {
            self.close_peer(id, CloseReason::IceTimeout, now);
        }
    }

    fn on_connected(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.is_connected = true;
        tracing::debug!(peer = %id, session = %peer.session, "connected");
        self.events.push_back(SfuEvent::Connected { peer: id });
        if let Role::Publish(publishing) = &mut peer.role {
            publishing.consent.hear(now);
            let publisher = self.publisher(id).into_iter();
            publisher.for_each(|p| self.announce(Control::PublisherConnected(p), now));
        } else {
            let session = peer.session.clone();
            self.sessions.entry(session).or_default().subscribers.push(id);
            self.assign_slots(id, now);
        }
    }

    /// After every use of a peer: notes when it wants to be woken, and buries it if it is dead.
    pub(crate) fn touch(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get(&id) else { return };
        if peer.is_alive() {
            self.timers.set(id, peer.wakes_at().max(now + LEAST_SLEEP));
        } else {
            self.close_peer(id, CloseReason::Failed, now);
        }
    }

    pub(crate) fn close_peer(&mut self, id: PeerId, reason: CloseReason, now: Instant) {
        let Some(mut peer) = self.peers.remove(&id) else {
            return;
        };
        peer.close(now, &mut self.out);
        self.timers.remove(id);
        self.routes.remove(id);
        self.counters.peers -= 1;
        tracing::debug!(peer = %id, session = %peer.session, %reason, "closed");
        match &peer.role {
            Role::Publish(publishing) => {
                let publisher = Publisher {
                    peer: id,
                    session: peer.session.clone(),
                    user: peer.user.clone(),
                    sources: Vec::new(),
                    joined_at: peer.created_at,
                };
                self.announce(Control::PublisherLeft(publisher), now);
                for track in publishing.tracks() {
                    self.close_track(track, now);
                }
            }
            Role::Subscribe(slots) => {
                for slot in slots {
                    self.unwatch(slot.track, id, slot.mid);
                }
                if let Some(session) = self.sessions.get_mut(&peer.session) {
                    session.subscribers.retain(|subscriber| *subscriber != id);
                }
            }
        }
        self.forget_if_empty(&peer.session);
        self.events.push_back(SfuEvent::Closed { peer: id, reason });
    }

    pub(crate) fn forget_if_empty(&mut self, session: &SessionId) {
        if self.sessions.get(session).is_some_and(Session::is_empty) {
            self.sessions.remove(session);
        }
    }
}
