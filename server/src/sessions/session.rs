//! One session: its room, the sockets and the peers of its participants.

use std::collections::{HashMap, HashSet};

use axum::extract::ws::Utf8Bytes;
use footlight_protocol::{Connection, Role, ServerEvent, ServerMessage, SessionId, SessionSummary, UserId};
use parking_lot::Mutex;

use super::outbox::{Closing, Mail, Outbox};
use crate::media::{Media, PeerId};
use crate::rooms::{Command, Effect, Now, Publication, PublishRefusal, Room};
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
    /// Every peer of the session, to be closed with it.
    peers: HashSet<PeerId>,
    next_number: u64,
}

#[derive(Debug)]
struct Socket {
    /// Tells a participant's connections apart.
    number: u64,
    outbox: Outbox,
    publish: Option<Negotiation>,
    subscribe: Option<Negotiation>,
}

/// One of a participant's two connections.
#[derive(Debug, Clone)]
pub(super) struct Negotiation {
    pub(super) peer: PeerId,
    /// The `o=` line's session id: another one means another `RTCPeerConnection` (RFC 8866 §5.2).
    pub(super) origin: Option<String>,
}

impl Socket {
    fn negotiation(&mut self, connection: Connection) -> &mut Option<Negotiation> {
        match connection {
            Connection::Publish => &mut self.publish,
            Connection::Subscribe => &mut self.subscribe,
        }
    }
}

/// Why somebody may not publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    /// The session is somebody else's.
    Unauthorized,
    /// The room says no.
    Refused(PublishRefusal),
}

impl Session {
    pub(super) fn new(id: SessionId, room: Room, owner: Option<BearerDigest>, media: Media) -> Self {
        let live = Live {
            room,
            owner,
            sockets: HashMap::new(),
            publications: HashMap::new(),
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

    /// Whether somebody with this bearer may publish now.
    pub(super) fn may_publish(&self, bearer: Option<&str>) -> Result<(), Denial> {
        self.live.lock().may_publish(bearer)
    }

    /// Takes a publish peer in, in place of the older one.
    pub(super) fn publish(
        &self,
        peer: PeerId,
        bearer: Option<&str>,
        username: Option<String>,
        title: Option<String>,
    ) -> Result<Publication, Denial> {
        let mut live = self.live.lock();
        live.may_publish(bearer)?;
        if live.owner.is_none() {
            live.owner = bearer.map(BearerDigest::of);
        }
        let publication = live.add_publication(peer);
        if let Some(title) = title {
            self.apply(&mut live, Command::Rename { title });
        }
        self.apply(&mut live, Command::Publish { publication, username });
        Ok(publication)
    }

    /// Takes a publish peer of the owner's WebSocket in. `None` where the session has ended.
    pub(super) fn publish_as_owner(&self, peer: PeerId) -> Option<Publication> {
        let mut live = self.live.lock();
        if live.room.is_over() {
            return None;
        }
        let publication = live.add_publication(peer);
        let username = None;
        self.apply(&mut live, Command::Publish { publication, username });
        Some(publication)
    }

    /// Takes a participant with a WebSocket in. An older connection of the same participant is closed.
    pub(super) fn join(&self, user: &UserId, username: String, role: Role) -> Option<(u64, Mail)> {
        let mut live = self.live.lock();
        if live.room.is_over() || (live.room.is_full() && !live.sockets.contains_key(user)) {
            return None;
        }
        let number = live.next_number();
        let (outbox, mail) = Outbox::new();
        let socket = Socket {
            number,
            outbox,
            publish: None,
            subscribe: None,
        };
        if let Some(replaced) = live.sockets.insert(user.clone(), socket) {
            replaced.outbox.close(Closing::Replaced);
            self.close_peers(&mut live, &replaced);
        }
        let join = Command::Join {
            user: user.clone(),
            username,
            role,
        };
        self.apply(&mut live, join);
        Some((number, mail))
    }

    /// A WebSocket is gone. Does nothing for a connection that was replaced.
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

    /// Counts a peer as the session's own. `false` where the session has ended meanwhile.
    pub(super) fn add_peer(&self, peer: PeerId) -> bool {
        let mut live = self.live.lock();
        !live.room.is_over() && live.peers.insert(peer)
    }

    /// Forgets a peer that is gone.
    pub(super) fn remove_peer(&self, peer: PeerId) {
        let mut live = self.live.lock();
        live.peers.remove(&peer);
        live.publications.retain(|_, publisher| *publisher != peer);
        for socket in live.sockets.values_mut() {
            socket.publish.take_if(|negotiation| negotiation.peer == peer);
            socket.subscribe.take_if(|negotiation| negotiation.peer == peer);
        }
    }

    fn close_peers(&self, live: &mut Live, socket: &Socket) {
        for negotiation in socket.publish.iter().chain(&socket.subscribe) {
            live.peers.remove(&negotiation.peer);
            self.media.close(negotiation.peer);
        }
    }

    fn apply(&self, live: &mut Live, command: Command) {
        let now = Now::read();
        for effect in live.room.handle(command, now) {
            match effect {
                Effect::Tell { user, event } => live.tell(&user, &encode(event, now)),
                Effect::TellAll { except, event } => live.tell_all(except.as_ref(), &encode(event, now)),
                Effect::ClosePublication(publication) => {
                    if let Some(peer) = live.publications.remove(&publication) {
                        live.peers.remove(&peer);
                        self.media.close(peer);
                    }
                }
                Effect::Over => {
                    live.peers.drain().for_each(|peer| self.media.close(peer));
                    live.sockets.clear();
                }
            }
        }
    }
}

impl Live {
    fn is_owner(&self, bearer: &str) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.matches(bearer))
    }

    fn may_publish(&self, bearer: Option<&str>) -> Result<(), Denial> {
        if self.owner.is_none() {
            return self.room.may_publish_anonymously().map_err(Denial::Refused);
        }
        if bearer.is_some_and(|bearer| self.is_owner(bearer)) {
            return Ok(());
        }
        Err(Denial::Unauthorized)
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

    fn tell(&self, user: &UserId, message: &Utf8Bytes) {
        if let Some(socket) = self.sockets.get(user) {
            socket.outbox.push(message.clone());
        }
    }

    fn tell_all(&self, except: Option<&UserId>, message: &Utf8Bytes) {
        for (user, socket) in &self.sockets {
            if Some(user) != except {
                socket.outbox.push(message.clone());
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
