//! How a participant with a WebSocket gets into a session, and out of it.

use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use constant_time_eq::constant_time_eq;
use footlight_protocol::{ANONYMOUS, ClientMessage, Role, ServerEvent, SessionId, UserId, Visibility};

use super::outbox::Mail;
use super::registry::{NewSession, Sessions};
use super::session::{Arrival, Session};
use super::{HOST_ID, names};
use crate::auth::TokenRefusal;
use crate::ice_servers::Reached;
use crate::rooms::{Badge, Badges, JoinRefusal, Now, Room};
use crate::token::{BearerDigest, unguessable_name};

/// Why somebody may not come in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// No session of this name.
    #[error("there is no session of this id; it may have ended")]
    NotFound,
    /// A token, and not the owner's.
    #[error("this token does not belong to this session")]
    Unauthorized,
    /// None, where one is needed.
    #[error("this session is not open to everybody: a token is needed")]
    TokenRequired,
    /// A token that is not good.
    #[error(transparent)]
    Token(#[from] TokenRefusal),
    /// The room says no.
    #[error(transparent)]
    Refused(#[from] JoinRefusal),
}

/// What somebody brings along who wants to come in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entrance<'a> {
    /// The host's, or one that says who this is.
    pub token: Option<&'a str>,
    /// The display name.
    pub username: Option<&'a str>,
    /// Of a place that was lost.
    pub resume_token: Option<&'a str>,
    /// Of the session, where its host brings it back.
    pub title: Option<&'a str>,
    /// By which the browser is recognised.
    pub visitor: Option<&'a str>,
    /// Where the connection comes from.
    pub address: Option<IpAddr>,
    /// Where it reached this server.
    pub reached: Option<&'a Reached>,
}

/// Who somebody is.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) user: UserId,
    pub(super) role: Role,
    /// As a token says.
    pub(super) name: Option<String>,
    /// Whether a token says who this is, and says the same the next time.
    pub(super) is_by_token: bool,
}

/// Leave to come in, given before the WebSocket handshake is answered.
#[derive(Debug)]
pub struct Admission {
    sessions: Sessions,
    session: Arc<Session>,
    way: Way,
    reached: Option<Reached>,
}

#[derive(Debug)]
enum Way {
    /// To a place of one's own.
    New {
        user: UserId,
        username: String,
        role: Role,
        badges: Badges,
    },
    /// Back to the place that was lost.
    Back { user: UserId, token: String },
}

/// A participant's place. Dropping it is losing the connection, however the task that owned it ended; the place is kept for
/// a while then.
#[derive(Debug)]
pub struct Seat {
    pub(super) sessions: Sessions,
    pub(super) session: Arc<Session>,
    pub(super) user: UserId,
    pub(super) number: u64,
}

impl Sessions {
    /// Whether somebody may come in.
    pub fn admit(&self, id: &SessionId, entrance: &Entrance<'_>) -> Result<Admission, AdmissionError> {
        let session = match self.get(id) {
            Some(session) => session,
            None => self.take_up_again(id, entrance)?,
        };
        let way = match entrance.resume_token.and_then(|token| lost_place(&session, token)) {
            Some(back) => back,
            None => self.new_place(&session, entrance)?,
        };
        Ok(Admission {
            sessions: self.clone(),
            session,
            way,
            reached: entrance.reached.cloned(),
        })
    }

    fn new_place(&self, session: &Session, entrance: &Entrance<'_>) -> Result<Way, AdmissionError> {
        let identity = self.identify(session, entrance.token)?;
        let badges = self.badges(&identity, entrance.visitor, entrance.address);
        let Identity { user, role, name, .. } = identity;
        session.read(|room| room.admits(Some(&user), role, badges))?;
        Ok(Way::New {
            user,
            // What a token says counts for more than what its bearer does.
            username: name.unwrap_or_else(|| names::username_or_anonymous(entrance.username)),
            role,
            badges,
        })
    }

    /// Who somebody is, by the bearer token or its absence.
    pub(super) fn identify(&self, session: &Session, token: Option<&str>) -> Result<Identity, AdmissionError> {
        let authority = &self.0.authority;
        let Some(token) = token else {
            let is_public = session.read(Room::visibility) == Visibility::Public;
            if authority.is_open() || (is_public && authority.allows_public_viewing()) {
                return Ok(Identity {
                    user: names::new_user_id(),
                    role: Role::Viewer,
                    name: None,
                    is_by_token: false,
                });
            }
            return Err(AdmissionError::TokenRequired);
        };
        let verified = authority.verify(token, &session.id, SystemTime::now());
        if session.is_owner(token) {
            return Ok(Identity {
                user: host_id(),
                role: Role::Host,
                // The token that made the session may be one that names its bearer.
                name: verified.ok().map(|claims| claims.name).filter(|name| name != ANONYMOUS),
                is_by_token: true,
            });
        }
        match verified {
            // The owner's place is not given away with a lesser role.
            Ok(claims) if claims.user == host_id() && claims.role != Role::Host => {
                Err(TokenRefusal::Claim("user").into())
            }
            Ok(claims) => Ok(Identity {
                user: claims.user,
                role: claims.role,
                name: (claims.name != ANONYMOUS).then_some(claims.name),
                is_by_token: true,
            }),
            Err(TokenRefusal::NoKeys) => Err(AdmissionError::Unauthorized),
            Err(refusal) => Err(refusal.into()),
        }
    }

    pub(super) fn badges(&self, identity: &Identity, visitor: Option<&str>, address: Option<IpAddr>) -> Badges {
        let badges = &self.0.badges;
        let bearer = identity.is_by_token.then_some(&identity.user);
        Badges {
            visitor: visitor.map(|name| Badge(badges.hash_one(name))),
            address: address.and_then(network).map(|network| Badge(badges.hash_one(network))),
            // Apart from what a browser may call itself.
            bearer: bearer.map(|user| Badge(badges.hash_one(("bearer", user.as_str())))),
        }
    }

    /// The host of a session that was lost with an earlier run of the server brings it back.
    fn take_up_again(&self, id: &SessionId, entrance: &Entrance<'_>) -> Result<Arc<Session>, AdmissionError> {
        let known = entrance
            .token
            .and_then(|token| Some((token, self.0.key.verify(id, token)?)));
        let (token, kind) = known.ok_or(AdmissionError::NotFound)?;
        let new = NewSession {
            id: id.clone(),
            title: entrance.title,
            kind,
            owner: Some(BearerDigest::of(token)),
        };
        self.insert(new).map_err(|_| AdmissionError::NotFound)
    }
}

pub(super) fn host_id() -> UserId {
    HOST_ID.parse().expect("the constant is a valid id")
}

/// What counts as one address, for a ban and for numbers: the address itself, or in IPv6 the network that one customer has (RFC 6177 §2). `None`
/// for this machine: that is a proxy in front of the server, or whoever runs it.
pub(super) fn network(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    if address.is_loopback() {
        return None;
    }
    Some(match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    })
}

/// A resume token names the place and proves the right to it, so that nothing has to be searched.
fn new_resume_token(user: &UserId) -> String {
    format!("{user}.{}", unguessable_name())
}

fn is_token(given: &str) -> impl Fn(&str) -> bool {
    move |token| constant_time_eq(token.as_bytes(), given.as_bytes())
}

fn lost_place(session: &Session, token: &str) -> Option<Way> {
    let user: UserId = token.split_once('.')?.0.parse().ok()?;
    let may = session.read(|room| room.may_resume(&user, is_token(token), Now::read()));
    may.then(|| Way::Back {
        user,
        token: token.to_owned(),
    })
}

impl Admission {
    /// Takes the place. `None` where the session filled up or ended since, or the place is gone.
    pub fn take(self) -> Option<(Seat, Mail)> {
        let topology = self.session.read(Room::topology);
        let reached = self.reached.as_ref();
        let ice_servers = self.sessions.0.ice_servers.told(reached, topology, SystemTime::now());
        let (user, number, mail) = match self.way {
            Way::New {
                user,
                username,
                role,
                badges,
            } => {
                let arrival = Arrival {
                    username,
                    role,
                    badges,
                    resume_token: new_resume_token(&user),
                    ice_servers,
                };
                let (number, mail) = self.session.join(&user, arrival)?;
                (user, number, mail)
            }
            Way::Back { user, token } => {
                let next = new_resume_token(&user);
                let may = |room: &Room| room.may_resume(&user, is_token(&token), Now::read());
                let (number, mail) = self.session.resume(&user, may, next, ice_servers)?;
                (user, number, mail)
            }
        };
        let seat = Seat {
            sessions: self.sessions,
            session: self.session,
            user,
            number,
        };
        Some((seat, mail))
    }
}

impl Seat {
    /// Says something to this participant alone.
    pub fn tell(&self, event: ServerEvent) {
        self.session.tell(&self.user, event);
    }

    /// Does what this participant asks for. `false` where the room refused, which it has told.
    pub fn act(&self, message: ClientMessage) -> bool {
        self.session.act(&self.user, message)
    }

    /// The session's name.
    pub fn session_id(&self) -> &SessionId {
        &self.session.id
    }

    /// The participant's name within the session.
    pub fn user_id(&self) -> &UserId {
        &self.user
    }

    /// Gives the place up: this participant said good-bye.
    pub fn leave(&self) {
        self.session.leave(&self.user, self.number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.session.lose(&self.user, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_holds_for_an_address_and_in_ipv6_for_its_network() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("127.0.0.1"), None);
        assert_eq!(of("::ffff:127.0.0.1"), None);
        assert_eq!(of("192.0.2.7"), Some("192.0.2.7".parse().expect("an address")));
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }
}
