//! What comes in by WHIP and WHEP: publishers and players that are no participants with a WebSocket.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use footlight_protocol::{Connection, Role, SessionId, Topology};

use super::admission::{AdmissionError, Identity, host_id};
use super::crowds::Crowded;
use super::names;
use super::peers::{Peer, Purpose, Resource, ResourceKind};
use super::playable::{NotPlayable, is_playable};
use super::registry::{CreateError, NewSession, Sessions};
use super::session::{Player, Publisher, Session};
use super::signaling::{MEDIA_TIMEOUT, NoVideo, media_fits, video_mids};
use crate::auth::CreationRefusal;
use crate::media::{IceRestart, MediaError, Muted, PeerId, PeerRequest, Wish, look_at_candidate};
use crate::rooms::{Badges, PublishRefusal, Room};
use crate::token::BearerDigest;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// No session of this name, or no resource at this URL.
    #[error("there is nothing here: the session or the connection has ended, or never was")]
    NotFound,
    /// The session is somebody else's.
    #[error("this session belongs to somebody: its host token is needed as bearer")]
    Unauthorized,
    /// Somebody is on air, or the session has ended.
    #[error(transparent)]
    Refused(#[from] PublishRefusal),
    /// Not known here, or not let in.
    #[error(transparent)]
    Identity(#[from] AdmissionError),
    /// May not create the session that it would publish into.
    #[error(transparent)]
    Creation(#[from] CreationRefusal),
    /// Picture where there is sound alone.
    #[error(transparent)]
    NoVideo(#[from] NoVideo),
    /// A player that could show nothing.
    #[error(transparent)]
    NotPlayable(#[from] NotPlayable),
    /// Too many from one network.
    #[error(transparent)]
    Crowded(#[from] Crowded),
    /// The session could not be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The media engine refused.
    #[error(transparent)]
    Media(#[from] MediaError),
}

/// `POST /whip/{id}`.
#[derive(Debug)]
pub struct PublishRequest {
    /// Made on the spot where it is unknown.
    pub session: SessionId,
    /// The owner's, where the session has an owner.
    pub bearer: Option<String>,
    /// Shown above the picture.
    pub title: Option<String>,
    /// The host's name.
    pub username: Option<String>,
    /// Where the request comes from.
    pub address: Option<IpAddr>,
    /// SDP.
    pub offer: String,
}

/// `POST /whep/{id}`.
#[derive(Debug)]
pub struct WatchRequest {
    /// Must exist.
    pub session: SessionId,
    /// Where the session is not open to everybody.
    pub bearer: Option<String>,
    /// The viewer's name.
    pub username: Option<String>,
    /// A tile on the grid, which does not count as a viewer.
    pub preview: bool,
    /// In which it shows the picture, in device pixels; `None` for the best there is.
    pub height: Option<u32>,
    /// Where the request comes from.
    pub address: Option<IpAddr>,
    /// SDP.
    pub offer: String,
}

/// An answered offer.
#[derive(Debug)]
pub struct Negotiated {
    /// SDP.
    pub answer: String,
    /// Where the connection is changed and ended.
    pub resource: Resource,
}

impl Sessions {
    /// Takes a publisher in.
    pub async fn publish(&self, request: PublishRequest) -> Result<Negotiated, IngestError> {
        let PublishRequest {
            session: id,
            bearer,
            title,
            username,
            address,
            offer,
        } = request;
        let bearer = bearer.as_deref();
        // Asked before any work is done, and again when it is done: another publisher may have been faster.
        let publisher = if let Some(session) = self.get(&id) {
            let publisher = self.publisher(&session, bearer, address)?;
            session.may_publish(&publisher)?;
            media_fits(session.read(Room::mode), &offer)?;
            publisher
        } else {
            self.check_creation(&id, bearer)?;
            Publisher::Anonymous
        };
        let request = PeerRequest {
            session: id.clone(),
            user: match &publisher {
                Publisher::Anonymous => host_id(),
                Publisher::Known(identity, _) => identity.user.clone(),
            },
            connection: Connection::Publish,
            offer,
            sources: None,
            muted: match (self.get(&id), &publisher) {
                (Some(session), Publisher::Known(identity, _)) => session.read(|room| room.muted(&identity.user)),
                _ => Muted::default(),
            },
        };
        let standing = self.0.crowds.enter(address)?;
        let accepted = self.accept(request).await?;
        // The session is made only now, so that offers that are none cannot fill the server with sessions.
        let admitted = self
            .session_of_publisher(&id, bearer, title.as_deref())
            .and_then(|session| {
                let username = names::username(username.as_deref());
                let title = names::title(title.as_deref());
                let publisher = self.publisher(&session, bearer, address)?;
                let publication = session.publish(accepted.peer, publisher, bearer, username, title)?;
                Ok((session, publication))
            });
        let (session, publication) = admitted.inspect_err(|_| self.discard(accepted.peer))?;
        let resource = self.name(accepted.peer, ResourceKind::Whip, id);
        let purpose = Purpose::Publish(publication);
        self.enter(accepted.peer, &Peer { session, purpose }, standing);
        Ok(Negotiated {
            answer: accepted.answer,
            resource,
        })
    }

    /// Who publishes into a session that is there.
    fn publisher(
        &self,
        session: &Session,
        bearer: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<Publisher, IngestError> {
        match bearer {
            Some(_) if session.is_ownerless() && self.0.authority.is_open() => Ok(Publisher::Anonymous),
            None if session.is_ownerless() => Ok(Publisher::Anonymous),
            None => Err(IngestError::Unauthorized),
            Some(_) => match self.identify(session, bearer) {
                Ok(identity) => {
                    let badges = self.badges(&identity, None, address);
                    Ok(Publisher::Known(identity, badges))
                }
                Err(AdmissionError::Unauthorized) => Err(IngestError::Unauthorized),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Whether a session of this name may be made by publishing into it.
    fn check_creation(&self, id: &SessionId, bearer: Option<&str>) -> Result<(), IngestError> {
        if bearer.is_some_and(|token| self.0.key.verify(id, token).is_some()) {
            return Ok(());
        }
        if self.0.key.minted(id) {
            return Err(IngestError::Unauthorized);
        }
        Ok(self.0.authority.check_creation(bearer, Some(id), SystemTime::now())?)
    }

    fn session_of_publisher(
        &self,
        id: &SessionId,
        bearer: Option<&str>,
        title: Option<&str>,
    ) -> Result<Arc<Session>, IngestError> {
        let new = NewSession {
            id: id.clone(),
            title,
            kind: bearer
                .and_then(|token| self.0.key.verify(id, token))
                .unwrap_or_default(),
            owner: bearer.map(BearerDigest::of),
        };
        match self.insert(new) {
            Ok(session) => Ok(session),
            Err(CreateError::Exists) => self.get(id).ok_or(IngestError::NotFound),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a player in. One that could play nothing of what is on air is told so, rather than left before a black
    /// picture. One that offers sound as well is taken: to hear the show is better than to be sent away, and what it cannot
    /// show goes to the log.
    pub async fn watch(&self, request: WatchRequest) -> Result<Negotiated, IngestError> {
        let session = self.get(&request.session).ok_or(IngestError::NotFound)?;
        let identity = self.identify(&session, request.bearer.as_deref())?;
        if session.read(Room::topology) == Topology::Mesh {
            return Err(PublishRefusal::Mesh.into());
        }
        is_playable(&request.offer, &session.picture_codecs())?;
        let player = self.player(identity, &request);
        session.may_watch(&player).map_err(AdmissionError::from)?;
        let standing = self.0.crowds.enter(request.address)?;
        let user = player.user.clone();
        let accepted = self
            .accept(PeerRequest {
                session: request.session.clone(),
                user: user.clone(),
                connection: Connection::Subscribe,
                offer: request.offer,
                sources: None,
                muted: Muted::default(),
            })
            .await?;
        if let Err(refusal) = session.watch(accepted.peer, player) {
            self.discard(accepted.peer);
            return Err(AdmissionError::from(refusal).into());
        }
        if let Some(height) = request.height {
            let wish = Wish {
                height: Some(height),
                ..Wish::default()
            };
            for mid in video_mids(&accepted.answer) {
                self.0.media.wish(accepted.peer, mid, wish);
            }
        }
        let purpose = if request.preview {
            Purpose::Preview
        } else {
            Purpose::Watch(user)
        };
        let resource = self.name(accepted.peer, ResourceKind::Whep, request.session);
        self.enter(accepted.peer, &Peer { session, purpose }, standing);
        Ok(Negotiated {
            answer: accepted.answer,
            resource,
        })
    }

    fn player(&self, identity: Identity, request: &WatchRequest) -> Player {
        let username = names::username_or_anonymous(request.username.as_deref());
        let badges = match identity.role {
            // Whoever shares an address with somebody who was banned is let in as host, and so as the host's player.
            Role::Host => Badges::default(),
            _ => self.badges(&identity, None, request.address),
        };
        Player {
            user: names::new_user_id(),
            username: identity.name.clone().unwrap_or(username),
            identity,
            badges,
            is_preview: request.preview,
        }
    }

    fn name(&self, peer: PeerId, kind: ResourceKind, session: SessionId) -> Resource {
        self.0.peers.lock().name(peer, kind, session)
    }

    /// The resource at a URL.
    pub fn resource(&self, kind: ResourceKind, session: &SessionId, name: &str) -> Option<Resource> {
        self.0.peers.lock().resource(kind, session, name)
    }

    /// Ends a connection (`DELETE`). What it held is free when this returns, whatever the media worker has in hand.
    pub fn close(&self, resource: &Resource) {
        self.close_peer(resource.peer);
    }

    /// Adds the candidates of a `PATCH`.
    pub fn trickle(&self, resource: &Resource, candidates: impl IntoIterator<Item = String>) {
        for candidate in candidates {
            look_at_candidate(resource.peer, &candidate);
        }
    }

    /// Restarts ICE on a connection; gives the server's side of it and the new entity tag.
    pub async fn restart_ice(
        &self,
        resource: &Resource,
        ufrag: String,
        pwd: String,
    ) -> Result<(IceRestart, String), IngestError> {
        let restart = self.0.media.restart_ice(resource.peer, ufrag, pwd);
        let restart = tokio::time::timeout(MEDIA_TIMEOUT, restart)
            .await
            .unwrap_or(Err(MediaError::Overloaded))?;
        let etag = self
            .0
            .peers
            .lock()
            .renew_etag(&resource.name)
            .ok_or(IngestError::NotFound)?;
        Ok((restart, etag))
    }
}
