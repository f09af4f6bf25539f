//! What comes in by WHIP and WHEP: publishers and players that are no participants with a WebSocket.

use std::sync::Arc;

use footlight_protocol::{Connection, Role, SessionId, SessionMode, Visibility};

use super::peers::{Peer, Purpose, Resource, ResourceKind};
use super::registry::{CreateError, NewSession, Sessions};
use super::session::{Denial, Session};
use super::signaling::MEDIA_TIMEOUT;
use super::{HOST_ID, names};
use crate::media::{IceCredentials, MediaError, Muted, PeerId, PeerRequest};
use crate::rooms::{Command, PublishRefusal, Room};
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
    /// The limit of participants is reached.
    #[error("this session is full")]
    Full,
    /// The session could not be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The media engine refused.
    #[error(transparent)]
    Media(#[from] MediaError),
}

impl From<Denial> for IngestError {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Unauthorized => Self::Unauthorized,
            Denial::Refused(refusal) => Self::Refused(refusal),
        }
    }
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
    /// SDP.
    pub offer: String,
}

/// `POST /whep/{id}`.
#[derive(Debug)]
pub struct WatchRequest {
    /// Must exist.
    pub session: SessionId,
    /// The viewer's name.
    pub username: Option<String>,
    /// A tile on the grid, which does not count as a viewer.
    pub preview: bool,
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
            offer,
        } = request;
        let bearer = bearer.as_deref();
        // Asked before any work is done, and again when it is done: another publisher may have been faster.
        self.check_publisher(&id, bearer)?;
        let request = PeerRequest {
            session: id.clone(),
            user: HOST_ID.parse().expect("the constant is a valid id"),
            connection: Connection::Publish,
            offer,
            sources: None,
            muted: Muted::default(),
        };
        let accepted = self.accept(request).await?;
        // The session is made only now, so that offers that are none cannot fill the server with sessions.
        let admitted = self
            .session_of_publisher(&id, bearer, title.as_deref())
            .and_then(|session| {
                let username = names::username(username.as_deref());
                let title = names::title(title.as_deref());
                let publication = session.publish(accepted.peer, bearer, username, title)?;
                Ok((session, publication))
            });
        let (session, publication) = admitted.inspect_err(|_| self.0.media.close(accepted.peer))?;
        let resource = self.name(accepted.peer, ResourceKind::Whip, id);
        let purpose = Purpose::Publish(publication);
        self.enter(accepted.peer, &Peer { session, purpose });
        Ok(Negotiated {
            answer: accepted.answer,
            resource,
        })
    }

    fn check_publisher(&self, id: &SessionId, bearer: Option<&str>) -> Result<(), IngestError> {
        match self.get(id) {
            Some(session) => Ok(session.may_publish(bearer)?),
            None if self.0.key.minted(id) && !bearer.is_some_and(|token| self.0.key.verify(id, token)) => {
                Err(IngestError::Unauthorized)
            }
            None => Ok(()),
        }
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
            mode: SessionMode::default(),
            visibility: Visibility::default(),
            owner: bearer.map(BearerDigest::of),
        };
        match self.insert(new) {
            Ok(session) => Ok(session),
            Err(CreateError::Exists) => self.get(id).ok_or(IngestError::NotFound),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a player in.
    pub async fn watch(&self, request: WatchRequest) -> Result<Negotiated, IngestError> {
        let session = self.get(&request.session).ok_or(IngestError::NotFound)?;
        if !request.preview && session.read(Room::is_full) {
            return Err(IngestError::Full);
        }
        let user = names::new_user_id();
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
        if !session.add_peer(accepted.peer) {
            self.0.media.close(accepted.peer);
            return Err(IngestError::NotFound);
        }
        let purpose = if request.preview {
            Purpose::Preview
        } else {
            session.command(Command::Join {
                user: user.clone(),
                username: names::username_or_anonymous(request.username.as_deref()),
                role: Role::Viewer,
            });
            Purpose::Watch(user)
        };
        let resource = self.name(accepted.peer, ResourceKind::Whep, request.session);
        self.enter(accepted.peer, &Peer { session, purpose });
        Ok(Negotiated {
            answer: accepted.answer,
            resource,
        })
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
        self.0.media.close(resource.peer);
        self.peer_gone(resource.peer);
    }

    /// Adds the candidates of a `PATCH`.
    pub fn trickle(&self, resource: &Resource, candidates: impl IntoIterator<Item = String>) {
        for candidate in candidates {
            self.0.media.add_remote_candidate(resource.peer, candidate);
        }
    }

    /// Restarts ICE on a connection; gives the server's new credentials and the new entity tag.
    pub async fn restart_ice(
        &self,
        resource: &Resource,
        ufrag: String,
        pwd: String,
    ) -> Result<(IceCredentials, String), IngestError> {
        let restart = self.0.media.restart_ice(resource.peer, ufrag, pwd);
        let credentials = tokio::time::timeout(MEDIA_TIMEOUT, restart)
            .await
            .unwrap_or(Err(MediaError::Overloaded))?;
        let etag = self
            .0
            .peers
            .lock()
            .renew_etag(&resource.name)
            .ok_or(IngestError::NotFound)?;
        Ok((credentials, etag))
    }
}
