//! One session: its room, the sockets and the peers of its participants.

use std::collections::{HashMap, HashSet};

use axum::extract::ws::Utf8Bytes;
use footlight_protocol::{
    ClientMessage, Connection, IceServer, MediaKind, Role, ServerEvent, ServerMessage, SessionId, SessionMode,
    SessionSummary, TrackSource, UserId,
};
use parking_lot::Mutex;

use super::admission::{AdmissionError, Identity, host_id};
use super::background::{Background, BackgroundRefusal};
use super::ingest::IngestError;
use super::outbox::{Closing, Mail, Outbox};
use crate::media::{Media, MediaError, PeerId};
use crate::rooms::{Badges, Command, Effect, JoinRefusal, Now, Publication, PublishRefusal, Room};
use crate::token::BearerDigest;

/// One session. Everything that changes is behind one lock that nobody waits under.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    media: Media,
    live: Mutex<Live>,
}

#[derive(Debug)]
struct Live {
    room: Room,
    /// Whose bearer may publish and end; `None` where the first publisher gave none.
    owner: Option<BearerDigest>,
    sockets: HashMap<UserId, Socket>,
    publications: HashMap<Publication, PeerId>,
    /// Participants without a WebSocket (WHEP).
    watchers: HashMap<UserId, PeerId>,
    background: Option<Background>,
    /// Mutes that no worker has taken yet, in their order.
    mutes: Vec<(PeerId, MediaKind, bool)>,
    /// The codecs of the pictures that are on air.
    pictures: HashMap<(PeerId, TrackSource), &'static str>,
    /// Every peer of the session, to be closed with it.
    peers: HashSet<PeerId>,
    next_number: u64,
}

#[derive(Debug)]
struct Socket {
    /// Tells a participant's connections apart.
    number: u64,
    /// `None` while the connection is lost. What is said meanwhile is in the state that its successor is given.
    outbox: Option<Outbox>,
    publish: Option<Negotiation>,
    subscribe: Option<Negotiation>,
    /// For this participant, with credentials of its own.
    ice_servers: Vec<IceServer>,
}

/// One of a participant's two connections.
#[derive(Debug, Clone)]
pub(super) struct Negotiation {
    pub(super) peer: PeerId,
    /// The `o=` line's session id: another one means another `RTCPeerConnection` (RFC 8866 §5.2).
    pub(super) origin: Option<String>,
}

impl Socket {
    fn close(&self, why: Closing) {
        if let Some(outbox) = &self.outbox {
            outbox.close(why);
        }
    }

    fn negotiation(&mut self, connection: Connection) -> &mut Option<Negotiation> {
        match connection {
            Connection::Publish => &mut self.publish,
            Connection::Subscribe => &mut self.subscribe,
        }
    }
}

/// Somebody who comes in.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) username: String,
    pub(super) role: Role,
    pub(super) badges: Badges,
    pub(super) resume_token: String,
    pub(super) ice_servers: Vec<IceServer>,
}

/// Somebody who publishes without a WebSocket.
#[derive(Debug, Clone)]
pub(super) enum Publisher {
    /// Into a session that is anybody's.
    Anonymous,
    /// The owner, or whoever a token says.
    Known(Identity, Badges),
}

/// Somebody who watches without a WebSocket.
#[derive(Debug, Clone)]
pub(super) struct Player {
    /// In the room, for this one connection.
    pub(super) user: UserId,
    /// Outside of it.
    pub(super) identity: Identity,
    pub(super) badges: Badges,
    pub(super) username: String,
    /// For a tile on the grid, and in nobody's place.
    pub(super) is_preview: bool,
}

impl Session {
    pub(super) fn new(id: SessionId, room: Room, owner: Option<BearerDigest>, media: Media) -> Self {
        let live = Live {
            room,
            owner,
            sockets: HashMap::new(),
            publications: HashMap::new(),
            watchers: HashMap::new(),
            background: None,
            mutes: Vec::new(),
            pictures: HashMap::new(),
            peers: HashSet::new(),
            next_number: 0,
        };
        Self {
            id,
            media,
            live: Mutex::new(live),
        }
    }

    /// Applies a command and carries out its effects.
    pub(super) fn command(&self, command: Command) {
        let mut live = self.live.lock();
        self.mute(&mut live);
        self.apply(&mut live, command);
    }

    /// Reads the room.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Room) -> T) -> T {
        read(&self.live.lock().room)
    }

    pub(super) fn is_over(&self) -> bool {
        self.read(Room::is_over)
    }

    pub(super) fn summary(&self) -> Option<SessionSummary> {
        self.read(Room::summary)
    }

    /// Whether this bearer is the owner's.
    pub(super) fn is_owner(&self, bearer: &str) -> bool {
        self.live.lock().is_owner(bearer)
    }

    /// Whether it is anybody's: made by a publisher who gave no bearer.
    pub(super) fn is_ownerless(&self) -> bool {
        self.live.lock().owner.is_none()
    }

    /// Whether this publisher may publish now.
    pub(super) fn may_publish(&self, publisher: &Publisher) -> Result<(), IngestError> {
        self.live.lock().may_publish(publisher)
    }

    /// Takes a publish peer without a WebSocket in, in place of the older one.
    pub(super) fn publish(
        &self,
        peer: PeerId,
        publisher: Publisher,
        bearer: Option<&str>,
        username: Option<String>,
        title: Option<String>,
    ) -> Result<Publication, IngestError> {
        let mut live = self.live.lock();
        live.may_publish(&publisher)?;
        if live.owner.is_none() {
            live.owner = bearer.map(BearerDigest::of);
        }
        let (user, role, badges, username) = match publisher {
            Publisher::Anonymous => (host_id(), Role::Host, Badges::default(), username),
            Publisher::Known(Identity { user, role, name, .. }, badges) => (user, role, badges, name.or(username)),
        };
        let publication = live.add_publication(peer);
        if let Some(title) = title.filter(|_| role == Role::Host) {
            self.apply(&mut live, Command::Rename { title });
        }
        let publish = Command::Publish {
            publication,
            user: user.clone(),
            username,
            role,
            badges,
            with_place: false,
        };
        self.apply(&mut live, publish);
        self.mute_again(&mut live, peer, &user);
        Ok(publication)
    }

    /// Takes a publish peer of a participant's WebSocket in.
    pub(super) fn publish_from_place(&self, peer: PeerId, user: &UserId) -> Result<Publication, PublishRefusal> {
        let mut live = self.live.lock();
        live.room.may_publish(user, Role::Viewer)?;
        let publication = live.add_publication(peer);
        let publish = Command::Publish {
            publication,
            user: user.clone(),
            username: None,
            role: Role::Viewer,
            badges: Badges::default(),
            with_place: true,
        };
        self.apply(&mut live, publish);
        self.mute_again(&mut live, peer, user);
        Ok(publication)
    }

    /// Takes a participant with a WebSocket in. An older connection of the same participant is closed.
    pub(super) fn join(&self, user: &UserId, arrival: Arrival) -> Option<(u64, Mail)> {
        let mut live = self.live.lock();
        live.room.admits(Some(user), arrival.role, arrival.badges).ok()?;
        if let Some(replaced) = live.sockets.remove(user) {
            replaced.close(Closing::Replaced);
            self.close_peers(&mut live, &replaced);
        }
        let taken = live.open_socket(user, arrival.ice_servers);
        let join = Command::Join {
            user: user.clone(),
            username: arrival.username,
            role: arrival.role,
            badges: arrival.badges,
            resume_token: Some(arrival.resume_token),
        };
        self.apply(&mut live, join);
        Some(taken)
    }

    /// Takes a participant in again, at the same place, with the media connections that it had.
    pub(super) fn resume(
        &self,
        user: &UserId,
        may: impl FnOnce(&Room) -> bool,
        resume_token: String,
        ice_servers: Vec<IceServer>,
    ) -> Option<(u64, Mail)> {
        let mut live = self.live.lock();
        if !may(&live.room) {
            return None;
        }
        let taken = live.open_socket(user, ice_servers);
        let user = user.clone();
        self.apply(&mut live, Command::Resume { user, resume_token });
        Some(taken)
    }

    /// A participant said good-bye. Does nothing for a connection that was replaced.
    pub(super) fn leave(&self, user: &UserId, number: u64) {
        let mut live = self.live.lock();
        if live.sockets.get(user).is_none_or(|socket| socket.number != number) {
            return;
        }
        if let Some(socket) = live.sockets.remove(user) {
            self.close_peers(&mut live, &socket);
        }
        self.apply(&mut live, Command::Leave { user: user.clone() });
    }

    /// A participant's WebSocket is gone. Does nothing for one that was replaced or has left. Its media stays: that has a
    /// way of its own, and ends by itself where that is lost as well.
    pub(super) fn lose(&self, user: &UserId, number: u64) {
        let mut live = self.live.lock();
        let Some(socket) = live.sockets.get_mut(user).filter(|socket| socket.number == number) else {
            return;
        };
        socket.outbox = None;
        self.apply(&mut live, Command::Lose { user: user.clone() });
    }

    /// Whether this player may watch now.
    pub(super) fn may_watch(&self, player: &Player) -> Result<(), JoinRefusal> {
        self.live.lock().may_watch(player)
    }

    /// Takes a player in. Asked again: the room may have filled up, or have sent this one away, since the offer was taken.
    pub(super) fn watch(&self, peer: PeerId, player: Player) -> Result<(), JoinRefusal> {
        let mut live = self.live.lock();
        live.may_watch(&player)?;
        live.peers.insert(peer);
        if player.is_preview {
            return Ok(());
        }
        live.watchers.insert(player.user.clone(), peer);
        let join = Command::Join {
            user: player.user,
            username: player.username,
            role: Role::Viewer,
            badges: player.badges,
            resume_token: None,
        };
        self.apply(&mut live, join);
        Ok(())
    }

    /// Does what a participant asks for. `false` where the room refused.
    pub(super) fn act(&self, user: &UserId, message: ClientMessage) -> bool {
        let mut live = self.live.lock();
        let user = user.clone();
        self.apply(&mut live, Command::Act { user, message })
    }

    /// Takes a background picture, or takes it away.
    pub(super) fn set_background(&self, background: Option<Background>) -> Result<(), BackgroundRefusal> {
        let mut live = self.live.lock();
        if live.room.mode() != SessionMode::Camera {
            return Err(BackgroundRefusal::NotCameraMode);
        }
        // Another number for another picture, so that browsers may keep each.
        let version = live.next_number();
        let path = background
            .is_some()
            .then(|| format!("/api/sessions/{}/background?version={version}", self.id));
        live.background = background;
        self.apply(&mut live, Command::Background { path });
        Ok(())
    }

    /// The background picture.
    pub(super) fn background(&self) -> Option<Background> {
        self.live.lock().background.clone()
    }

    /// Tells one participant, where it has a WebSocket.
    pub(super) fn tell(&self, user: &UserId, event: ServerEvent) {
        self.live.lock().tell(user, &encode(event, Now::read()));
    }

    /// The participant's connection of this kind.
    pub(super) fn negotiation(&self, user: &UserId, connection: Connection) -> Option<Negotiation> {
        self.live.lock().sockets.get_mut(user)?.negotiation(connection).clone()
    }

    /// Remembers a participant's connection; gives the one that it replaces. `false` where the participant is gone.
    pub(super) fn set_negotiation(
        &self,
        user: &UserId,
        number: u64,
        connection: Connection,
        negotiation: Negotiation,
    ) -> Result<Option<Negotiation>, Negotiation> {
        let mut live = self.live.lock();
        match live.sockets.get_mut(user).filter(|socket| socket.number == number) {
            Some(socket) => {
                let peer = negotiation.peer;
                let replaced = socket.negotiation(connection).replace(negotiation);
                live.peers.insert(peer);
                Ok(replaced)
            }
            None => Err(negotiation),
        }
    }

    /// Forgets a peer that is gone.
    pub(super) fn remove_peer(&self, peer: PeerId) {
        let mut live = self.live.lock();
        live.peers.remove(&peer);
        live.publications.retain(|_, publisher| *publisher != peer);
        live.watchers.retain(|_, watcher| *watcher != peer);
        live.mutes.retain(|(muted, ..)| *muted != peer);
        live.pictures.retain(|(publisher, _), _| *publisher != peer);
        for socket in live.sockets.values_mut() {
            socket.publish.take_if(|negotiation| negotiation.peer == peer);
            socket.subscribe.take_if(|negotiation| negotiation.peer == peer);
        }
    }

    /// A picture of this codec is on air; with `None`, it is not any more.
    pub(super) fn set_picture(&self, peer: PeerId, source: TrackSource, codec: Option<&'static str>) {
        let pictures = &mut self.live.lock().pictures;
        match codec {
            Some(codec) => pictures.insert((peer, source), codec),
            None => pictures.remove(&(peer, source)),
        };
    }

    /// The codecs of the pictures that are on air.
    pub(super) fn picture_codecs(&self) -> Vec<&'static str> {
        self.live.lock().pictures.values().copied().collect()
    }

    fn close_peers(&self, live: &mut Live, socket: &Socket) {
        for negotiation in socket.publish.iter().chain(&socket.subscribe) {
            live.peers.remove(&negotiation.peer);
            self.media.close(negotiation.peer);
        }
    }

    /// `false` where the one who asked was refused.
    fn apply(&self, live: &mut Live, command: Command) -> bool {
        let now = Now::read();
        let mut refused = false;
        for effect in live.room.handle(command, now) {
            match effect {
                Effect::Tell { user, mut event } => {
                    if let ServerEvent::CurrentParticipants(welcome) = &mut event {
                        let socket = live.sockets.get(&user);
                        welcome.ice_servers = socket.map(|socket| socket.ice_servers.clone()).unwrap_or_default();
                    }
                    refused |= matches!(event, ServerEvent::Error { .. });
                    live.tell(&user, &encode(event, now));
                }
                Effect::TellAll { except, event } => live.tell_all(except.as_ref(), &encode(event, now)),
                Effect::Mute { user, kind, muted } => {
                    if let Some(peer) = live.publisher(&user) {
                        live.mutes.push((peer, kind, muted));
                        self.mute(live);
                    }
                }
                Effect::ClosePublication(publication) => {
                    if let Some(peer) = live.publications.remove(&publication) {
                        self.close_peer(live, peer);
                    }
                }
                Effect::Disconnect(user) => self.disconnect(live, &user),
                Effect::Over => {
                    live.peers.drain().for_each(|peer| self.media.close(peer));
                    live.sockets.clear();
                }
            }
        }
        !refused
    }

    /// Carries out mutes. A worker that cannot be told now is told with the next tick: it must not be forgotten that
    /// somebody is muted.
    fn mute(&self, live: &mut Live) {
        live.mutes
            .retain(|(peer, kind, muted)| match self.media.set_muted(*peer, *kind, *muted) {
                Err(error @ MediaError::Overloaded) => {
                    tracing::warn!(peer = %peer, %error, "mute not taken yet");
                    true
                }
                Ok(()) | Err(_) => false,
            });
    }

    fn disconnect(&self, live: &mut Live, user: &UserId) {
        if let Some(socket) = live.sockets.remove(user) {
            if let Some(outbox) = &socket.outbox {
                outbox.close_after(Closing::SentAway);
            }
            self.close_peers(live, &socket);
        }
        if let Some(peer) = live.watchers.remove(user) {
            self.close_peer(live, peer);
        }
    }

    /// A mute that came while the new connection was being made has missed it.
    fn mute_again(&self, live: &mut Live, peer: PeerId, user: &UserId) {
        let muted = live.room.muted(user);
        let each = [(MediaKind::Audio, muted.audio), (MediaKind::Video, muted.video)];
        live.mutes.extend(
            each.into_iter()
                .filter(|(_, muted)| *muted)
                .map(|(kind, muted)| (peer, kind, muted)),
        );
        self.mute(live);
    }

    fn close_peer(&self, live: &mut Live, peer: PeerId) {
        live.peers.remove(&peer);
        self.media.close(peer);
    }
}

impl Live {
    fn is_owner(&self, bearer: &str) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.matches(bearer))
    }

    fn may_publish(&self, publisher: &Publisher) -> Result<(), IngestError> {
        match publisher {
            Publisher::Anonymous => self.room.may_publish_anonymously()?,
            Publisher::Known(Identity { user, role, .. }, badges) => {
                self.room.may_publish(user, *role)?;
                // Whoever has no place yet takes one like anybody else.
                if !self.room.has_place(user) {
                    let admitted = self.room.admits(Some(user), *role, *badges);
                    admitted.map_err(AdmissionError::from)?;
                }
            }
        }
        Ok(())
    }

    fn may_watch(&self, player: &Player) -> Result<(), JoinRefusal> {
        let Identity { user, role, .. } = &player.identity;
        self.room.may_watch(user, *role, player.badges, player.is_preview)
    }

    fn add_publication(&mut self, peer: PeerId) -> Publication {
        let publication = Publication(self.next_number());
        self.publications.insert(publication, peer);
        self.peers.insert(peer);
        publication
    }

    fn next_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Opens a participant's WebSocket, in place of one that is lost or about to be.
    fn open_socket(&mut self, user: &UserId, ice_servers: Vec<IceServer>) -> (u64, Mail) {
        let number = self.next_number();
        let (outbox, mail) = Outbox::new();
        let before = self.sockets.remove(user);
        if let Some(before) = &before {
            before.close(Closing::Replaced);
        }
        let (publish, subscribe) = before.map_or((None, None), |before| (before.publish, before.subscribe));
        let socket = Socket {
            number,
            outbox: Some(outbox),
            publish,
            subscribe,
            ice_servers,
        };
        self.sockets.insert(user.clone(), socket);
        (number, mail)
    }

    fn publisher(&self, user: &UserId) -> Option<PeerId> {
        let publication = self.room.publication(user)?;
        self.publications.get(&publication).copied()
    }

    fn tell(&self, user: &UserId, message: &Utf8Bytes) {
        if let Some(outbox) = self.sockets.get(user).and_then(|socket| socket.outbox.as_ref()) {
            outbox.push(message.clone());
        }
    }

    fn tell_all(&self, except: Option<&UserId>, message: &Utf8Bytes) {
        for (user, socket) in &self.sockets {
            if Some(user) != except
                && let Some(outbox) = &socket.outbox
            {
                outbox.push(message.clone());
            }
        }
    }
}

/// Encoded once, whatever the number of those who hear it.
fn encode(event: ServerEvent, now: Now) -> Utf8Bytes {
    let message = ServerMessage::new(event, now.wall);
    serde_json::to_string(&message)
        .expect("a server message is strings, numbers and lists, which JSON always holds")
        .into()
}
