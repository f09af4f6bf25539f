//! How a participant with a WebSocket gets into a session, and out of it.

use std::sync::Arc;

use footlight_protocol::{Connection, Role, ServerEvent, SessionId, SessionMode, UserId, Visibility};

use super::outbox::Mail;
use super::registry::{NewSession, Sessions};
use super::session::Session;
use super::{HOST_ID, names};
use crate::rooms::Room;
use crate::token::BearerDigest;

/// Why somebody may not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// No session of this name.
    #[error("there is no session of this id; it may have ended")]
    NotFound,
    /// A token, and not the owner's.
    #[error("this token does not belong to this session")]
    Unauthorized,
    /// The limit of participants is reached.
    #[error("this session is full")]
    Full,
}

/// Leave to come in, given before the WebSocket handshake is answered.
#[derive(Debug)]
pub struct Admission {
    sessions: Sessions,
    session: Arc<Session>,
    role: Role,
    username: String,
}

/// A participant's place. Dropping it is leaving, however the task that owned it ended.
#[derive(Debug)]
pub struct Seat {
    pub(super) sessions: Sessions,
    pub(super) session: Arc<Session>,
    pub(super) user: UserId,
    pub(super) number: u64,
    role: Role,
}

impl Sessions {
    /// Whether somebody with this token may come in.
    pub fn admit(
        &self,
        id: &SessionId,
        token: Option<&str>,
        username: Option<&str>,
    ) -> Result<Admission, AdmissionError> {
        let session = match self.get(id) {
            Some(session) => session,
            None => self.take_up_again(id, token)?,
        };
        let role = match token {
            Some(token) if session.is_owner(token) => Role::Host,
            Some(_) => return Err(AdmissionError::Unauthorized),
            None => Role::Viewer,
        };
        if role == Role::Viewer && session.read(Room::is_full) {
            return Err(AdmissionError::Full);
        }
        Ok(Admission {
            sessions: self.clone(),
            session,
            role,
            username: names::username_or_anonymous(username),
        })
    }

    /// The host of a session that was lost with an earlier run of the server brings it back.
    fn take_up_again(&self, id: &SessionId, token: Option<&str>) -> Result<Arc<Session>, AdmissionError> {
        let token = token
            .filter(|token| self.0.key.verify(id, token))
            .ok_or(AdmissionError::NotFound)?;
        let new = NewSession {
            id: id.clone(),
            title: None,
            mode: SessionMode::default(),
            visibility: Visibility::default(),
            owner: Some(BearerDigest::of(token)),
        };
        self.insert(new).map_err(|_| AdmissionError::NotFound)
    }
}

impl Admission {
    /// Takes the place. `None` where the session filled up or ended since.
    pub fn take(self) -> Option<(Seat, Mail)> {
        let user = match self.role {
            Role::Host => HOST_ID.parse().expect("the constant is a valid id"),
            _ => names::new_user_id(),
        };
        let (number, mail) = self.session.join(&user, self.username, self.role)?;
        let seat = Seat {
            sessions: self.sessions,
            session: self.session,
            user,
            number,
            role: self.role,
        };
        Some((seat, mail))
    }
}

impl Seat {
    /// Says something to this participant alone.
    pub fn tell(&self, event: ServerEvent) {
        self.session.tell(&self.user, event);
    }

    /// The session's name.
    pub fn session_id(&self) -> &SessionId {
        &self.session.id
    }

    /// The participant's name within the session.
    pub fn user_id(&self) -> &UserId {
        &self.user
    }

    /// Whether this participant may have such a connection.
    pub fn may(&self, connection: Connection) -> bool {
        match connection {
            Connection::Publish => self.role == Role::Host,
            Connection::Subscribe => true,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.session.leave(&self.user, self.number);
    }
}
