//! What goes into a room, and what comes out of it.

use footlight_protocol::{ClientMessage, Connection, EndReason, MediaKind, Role, ServerEvent, UserId};

use super::member::Badges;
use super::room::Publication;

/// What may happen to a room.
#[derive(Debug, Clone)]
pub enum Command {
    /// Somebody came; the same user again means a connection that replaces the older one.
    Join {
        /// Unique within the session.
        user: UserId,
        /// As shown.
        username: String,
        /// What this person may do. The room may give less: there is one host, and the stage has its limit.
        role: Role,
        /// By what this person is recognised.
        badges: Badges,
        /// Brings this person back after a loss; `None` for whoever has no WebSocket.
        resume_token: Option<String>,
    },
    /// Somebody came back after a loss, see [`Room::may_resume`].
    Resume {
        /// Who.
        user: UserId,
        /// For the next time.
        resume_token: String,
    },
    /// Somebody's connection was lost.
    Lose {
        /// Whose.
        user: UserId,
    },
    /// Somebody left.
    Leave {
        /// Who.
        user: UserId,
    },
    /// Somebody said or did something.
    Act {
        /// Who.
        user: UserId,
        /// What. Signaling with the server's SFU is none of the room's business and does nothing here.
        message: ClientMessage,
    },
    /// A publish connection was accepted. It replaces the one before of the same user.
    Publish {
        /// The new connection.
        publication: Publication,
        /// Whose.
        user: UserId,
        /// The name from now on, where the publisher gave one.
        username: Option<String>,
        /// What a publisher may do who is no participant yet.
        role: Role,
        /// By what such a publisher is recognised.
        badges: Badges,
        /// Whether it ends with the participant's place, rather than living by itself (WHIP).
        with_place: bool,
    },
    /// The first media of a kind arrived.
    MediaStarted {
        /// On which connection.
        publication: Publication,
        /// Sound or picture.
        kind: MediaKind,
    },
    /// A publish connection is gone.
    PublishStopped {
        /// Which.
        publication: Publication,
    },
    /// Somebody is being heard, or (`None`) no more.
    Speaking {
        /// Who.
        user: UserId,
        /// In dBov, 0 the loudest (RFC 6464 §3).
        level: Option<i8>,
    },
    /// Somebody's connection works better or worse than before.
    Quality {
        /// Whose.
        user: UserId,
        /// Which one.
        connection: Connection,
        /// 0 to 4; `None` where that connection is gone.
        level: Option<u8>,
    },
    /// The background picture is another one.
    Background {
        /// Its path at this server.
        path: Option<String>,
    },
    /// The session has another title from now on.
    Rename {
        /// Shown above the picture.
        title: String,
    },
    /// It is over.
    End {
        /// Why.
        reason: EndReason,
    },
    /// Time passed.
    Tick,
}

/// What the owner of a room has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell one participant.
    Tell {
        /// Whom.
        user: UserId,
        /// What.
        event: ServerEvent,
    },
    /// Tell everybody.
    TellAll {
        /// But this one.
        except: Option<UserId>,
        /// What.
        event: ServerEvent,
    },
    /// Let nothing of this kind through from this user, or let it through again.
    Mute {
        /// Whose.
        user: UserId,
        /// Sound or picture.
        kind: MediaKind,
        /// Whether nothing passes.
        muted: bool,
    },
    /// Close a publish connection.
    ClosePublication(Publication),
    /// Close whatever this user has, who has no place any more.
    Disconnect(UserId),
    /// Close what is left of the session and forget it. The last effect of a room.
    Over,
}
