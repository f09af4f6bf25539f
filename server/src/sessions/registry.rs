//! All sessions, and how many there may be.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use footlight_protocol::{
    CreateSession, EndReason, RESUME_SECONDS, SessionCreated, SessionId, SessionList, SessionStats, Topology, UserId,
};
use parking_lot::{Mutex, RwLock};

use super::background::{Background, BackgroundRefusal};
use super::crowds::Crowds;
use super::peers::Peers;
use super::session::Session;
use super::{HOST_ID, names};
use crate::auth::Authority;
use crate::ice_servers::{IceServers, Reached};
use crate::media::Media;
use crate::rooms::{Command, Now, Room, RoomSettings};
use crate::token::{BearerDigest, HostKey, SessionKind};

/// How many, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most sessions at a time.
    pub sessions: usize,
    /// Most participants of one session at a time.
    pub participants: usize,
    /// How long a session stays without anybody in it.
    pub idle: Duration,
    /// How long a host may be away before a cohost takes over, or the session ends.
    pub host_grace: Duration,
}

/// Most participants of a mesh: each of them on the stage sends to each of the others.
const MESH_PARTICIPANTS: usize = 20;

/// Why no session was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// The limit of sessions is reached.
    #[error("this server already holds as many sessions as it may; try again when one has ended")]
    TooMany,
    /// The name is taken.
    #[error("a session of this id exists already")]
    Exists,
    /// The name is one that this server made, and the token is not that of its host.
    #[error("this id belongs to somebody else: its host token is needed")]
    Unauthorized,
    /// The server is going down.
    #[error("the server is shutting down")]
    Draining,
}

/// Numbers for `/metrics`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sessions, on air or not.
    pub sessions: u64,
    /// Sessions that are on air.
    pub on_air: u64,
    /// People watching, in all sessions.
    pub viewers: u64,
    /// Everybody who is connected.
    pub participants: u64,
}

/// All sessions of this server; a handle.
#[derive(Debug, Clone)]
pub struct Sessions(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) media: Media,
    pub(super) key: HostKey,
    pub(super) authority: Arc<Authority>,
    pub(super) peers: Mutex<Peers>,
    pub(super) crowds: Crowds,
    limits: Limits,
    pub(super) ice_servers: IceServers,
    /// Taken before a session's own lock, never after it.
    sessions: RwLock<HashMap<SessionId, Arc<Session>>>,
    draining: AtomicBool,
    /// Makes badges of what strangers are recognised by. Of this run alone, and of no use elsewhere.
    pub(super) badges: std::hash::RandomState,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What a session is created with.
pub(super) struct NewSession<'a> {
    pub(super) id: SessionId,
    pub(super) title: Option<&'a str>,
    pub(super) kind: SessionKind,
    pub(super) owner: Option<BearerDigest>,
}

impl Sessions {
    /// No sessions yet.
    pub fn new(media: Media, key: HostKey, authority: Arc<Authority>, limits: Limits, ice_servers: IceServers) -> Self {
        Self(Arc::new(Shared {
            media,
            key,
            authority,
            limits,
            ice_servers,
            peers: Mutex::default(),
            crowds: Crowds::default(),
            sessions: RwLock::default(),
            draining: AtomicBool::new(false),
            badges: std::hash::RandomState::new(),
        }))
    }

    /// `POST /api/sessions`. `watch_url` makes the address of the new session's page.
    pub fn create(
        &self,
        request: &CreateSession,
        watch_url: impl FnOnce(&SessionId) -> String,
    ) -> Result<SessionCreated, CreateError> {
        let key = &self.0.key;
        let kind = SessionKind {
            mode: request.mode.unwrap_or_default(),
            topology: request.topology.unwrap_or_default(),
            visibility: request.visibility.unwrap_or_default(),
        };
        let (session_id, host_token) = match (&request.session_id, &request.host_token) {
            (Some(id), Some(token)) if key.verify(id, token).is_some() => (id.clone(), token.clone()),
            (Some(_), Some(_)) => return Err(CreateError::Unauthorized),
            (Some(id), None) if key.minted(id) => return Err(CreateError::Unauthorized),
            (Some(id), None) => (id.clone(), key.issue(id, kind)),
            (None, _) => {
                let id = key.mint_session_id();
                let token = key.issue(&id, kind);
                (id, token)
            }
        };
        let new = NewSession {
            id: session_id.clone(),
            title: request.title.as_deref(),
            kind,
            owner: Some(BearerDigest::of(&host_token)),
        };
        match self.insert(new) {
            // Its host comes back with the token, and the session is still there: nothing to do.
            Err(CreateError::Exists) if request.host_token.is_some() && self.owns(&session_id, &host_token) => {}
            other => drop(other?),
        }
        Ok(SessionCreated {
            watch_url: watch_url(&session_id),
            session_id,
            host_token,
        })
    }

    pub(super) fn insert(&self, new: NewSession<'_>) -> Result<Arc<Session>, CreateError> {
        if self.is_draining() {
            return Err(CreateError::Draining);
        }
        let mut sessions = self.0.sessions.write();
        if sessions.get(&new.id).is_some_and(|session| !session.is_over()) {
            return Err(CreateError::Exists);
        }
        if sessions.len() >= self.0.limits.sessions {
            return Err(CreateError::TooMany);
        }
        let settings = RoomSettings {
            id: new.id.clone(),
            title: names::title_or_default(new.title),
            mode: new.kind.mode,
            topology: new.kind.topology,
            visibility: new.kind.visibility,
            owner: HOST_ID.parse().expect("the constant is a valid id"),
            idle_limit: self.0.limits.idle,
            host_grace: self.0.limits.host_grace,
            resume_within: Duration::from_secs(RESUME_SECONDS),
            max_participants: match new.kind.topology {
                Topology::Sfu => self.0.limits.participants,
                Topology::Mesh => self.0.limits.participants.min(MESH_PARTICIPANTS),
            },
        };
        let room = Room::new(settings, Now::read());
        let session = Arc::new(Session::new(new.id.clone(), room, new.owner, self.0.media.clone()));
        tracing::info!(session = %new.id, "session created");
        sessions.insert(new.id, session.clone());
        Ok(session)
    }

    /// The STUN and TURN servers for somebody who publishes or watches by plain HTTP.
    pub fn ice_servers(&self, reached: Option<&Reached>) -> Vec<footlight_protocol::IceServer> {
        self.0.ice_servers.told(reached, Topology::Sfu, SystemTime::now())
    }

    /// The session of this name, unless it has ended.
    pub(super) fn get(&self, id: &SessionId) -> Option<Arc<Session>> {
        self.0
            .sessions
            .read()
            .get(id)
            .filter(|session| !session.is_over())
            .cloned()
    }

    /// Whether there is a session of this name.
    pub fn contains(&self, id: &SessionId) -> bool {
        self.get(id).is_some()
    }

    /// Whether this bearer is that of the session's owner.
    pub fn owns(&self, id: &SessionId, bearer: &str) -> bool {
        self.get(id).is_some_and(|session| session.is_owner(bearer))
    }

    /// Gives a session a background picture, or takes it away. `None` where there is no such session.
    pub fn set_background(
        &self,
        id: &SessionId,
        background: Option<Background>,
    ) -> Option<Result<(), BackgroundRefusal>> {
        Some(self.get(id)?.set_background(background))
    }

    /// A session's background picture.
    pub fn background(&self, id: &SessionId) -> Option<Background> {
        self.get(id)?.background()
    }

    /// Ends a session. `false` where there is none of this name.
    pub fn end(&self, id: &SessionId, reason: EndReason) -> bool {
        let Some(session) = self.get(id) else {
            return false;
        };
        session.command(Command::End { reason });
        self.forget_ended();
        true
    }

    /// The public sessions that are on air, newest first.
    pub fn list(&self) -> SessionList {
        let mut sessions: Vec<_> = self.snapshot().iter().filter_map(|session| session.summary()).collect();
        // RFC 3339 in UTC with a fixed number of digits sorts as text.
        sessions.sort_by(|a, b| {
            b.started_at
                .cmp(&a.started_at)
                .then_with(|| a.session_id.cmp(&b.session_id))
        });
        SessionList { sessions }
    }

    /// One session's live figures, with those of the way to `viewer`.
    pub async fn stats(&self, id: &SessionId, viewer: Option<&UserId>) -> Option<SessionStats> {
        let session = self.get(id)?;
        let (viewer_count, participants) = session.read(|room| (room.viewer_count(), room.participant_count()));
        let figures = self.0.media.session_figures(id, viewer).await;
        Some(SessionStats {
            session_id: id.clone(),
            viewer_count,
            participants,
            tracks: figures.tracks,
            viewers: figures.viewers,
        })
    }

    /// Numbers for `/metrics`.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        for session in self.snapshot().iter().filter(|session| !session.is_over()) {
            session.read(|room| {
                figures.sessions += 1;
                figures.on_air += u64::from(room.on_air_since().is_some());
                figures.viewers += u64::from(room.viewer_count());
                figures.participants += u64::from(room.participant_count());
            });
        }
        figures
    }

    /// Ends every session and lets no new one begin.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::SeqCst);
        let reason = EndReason::ServerShutdown;
        for session in self.snapshot() {
            session.command(Command::End { reason });
        }
        self.forget_ended();
    }

    /// Whether the server is going down.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst)
    }

    /// Lets time pass in every session.
    pub(super) fn tick(&self) {
        self.0.media.close_overdue();
        for session in self.snapshot() {
            session.command(Command::Tick);
        }
        self.forget_ended();
    }

    fn forget_ended(&self) {
        // Looked up by reading first: writers would otherwise hold up every request four times a second.
        if self.snapshot().iter().any(|session| session.is_over()) {
            self.0.sessions.write().retain(|id, session| {
                let over = session.is_over();
                if over {
                    tracing::info!(session = %id, "session over");
                }
                !over
            });
        }
    }

    fn snapshot(&self) -> Vec<Arc<Session>> {
        self.0.sessions.read().values().cloned().collect()
    }
}
