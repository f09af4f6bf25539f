//! The publisher's place in the room, over the WebSocket: who is there and what they say, what the publisher may do, and,
//! for guests, the negotiation of their media.
//!
//! The loss of the WebSocket never touches the media, which has a path of its own. It comes back by itself, to the same
//! place where that is less than [`RESUME_SECONDS`](footlight_protocol::RESUME_SECONDS) later.

mod connection;
mod follow;

use std::sync::Arc;
use std::time::Duration;

use footlight_protocol::{
    ClientMessage, Connection, EndReason, Role, ServerMessage, SessionDescription, SignalData, SignalType, UserId,
};
use reqwest::Url;
use rustls::ClientConfig;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::publish::broadcast::Phase;
use crate::publish::error::PublishError;
use crate::publish::status::Ending;
use crate::publish::tracks::Tracks;
use crate::publish::whip::SignalingError;

pub(crate) use follow::follow;

/// Things to send that may wait for the WebSocket. People type a line a second; a program that is faster is told so.
const COMMANDS: usize = 16;

/// Events that wait for whoever shows them: a whole chat history and what comes in beside it. A reader that is slower
/// loses the oldest, and learns how many.
const EVENTS: usize = 256;

/// For the answer to an offer. The server needs some milliseconds, and a phone line two seconds for the way.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// For the farewell. Whoever pressed Ctrl-C does not wait for a dead server.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// How the publisher stands in the room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RoomState {
    /// Whether the WebSocket stands.
    pub(crate) connected: bool,
    /// People watching.
    pub(crate) viewers: Option<u32>,
    /// Who we are; kept while the WebSocket is away.
    pub(crate) place: Option<Place>,
    /// There is nothing to come back to.
    pub(crate) over: Option<Over>,
}

/// Who we are in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) user_id: UserId,
    pub(crate) role: Role,
}

/// Why the room is closed to us for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Over {
    /// The session ended.
    Ended(EndReason),
    /// Sent away.
    Kicked { by: Option<String> },
    /// Asked to come on the stage, and was refused.
    Rejected { by: String },
    /// The same place was taken on another connection.
    Replaced,
    /// Not let in.
    Refused { status: u16, message: String },
    /// Never reached.
    Unreachable { server: String, reason: String },
}

impl Over {
    pub(crate) fn into_result(self) -> Result<Ending, PublishError> {
        Err(match self {
            Self::Ended(reason) => return Ok(Ending::SessionEnded(reason)),
            Self::Kicked { by } => PublishError::Kicked { by },
            Self::Rejected { by } => PublishError::Rejected { by },
            Self::Replaced => PublishError::Replaced,
            Self::Refused { status, message } => SignalingError::Refused {
                status,
                message,
                retry_after: None,
            }
            .into(),
            Self::Unreachable { server, reason } => SignalingError::Unreachable { server, reason }.into(),
        })
    }
}

/// Something to be sent.
pub(crate) enum Command {
    Send(ClientMessage),
    /// Media, for the connection that publishes.
    Offer {
        sdp: String,
        answer: oneshot::Sender<Result<String, SignalingError>>,
    },
    /// A farewell, after which there is nothing to come back to.
    Leave(oneshot::Sender<()>),
}

/// Where the room is, and how to get in.
pub(crate) struct Entrance {
    /// With `token` and `username` in its query.
    pub(crate) url: Url,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// `host:port`.
    pub(crate) server: String,
    /// Off air there is nothing to join: a session that a restarted server no longer knows comes back with the next WHIP
    /// request, and not before. `None` where media goes through the room itself, which is then joined first.
    pub(crate) after: Option<watch::Receiver<Phase>>,
}

/// What [`follow`] holds of the room; [`Room`] is the other end.
pub(crate) struct Ends {
    state: watch::Sender<RoomState>,
    events: broadcast::Sender<ServerMessage>,
    commands: mpsc::Receiver<Command>,
    tracks: Arc<Tracks>,
}

/// The room, as the rest of the publisher uses it.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    state: watch::Receiver<RoomState>,
    events: broadcast::Sender<ServerMessage>,
    commands: mpsc::Sender<Command>,
}

impl Room {
    pub(crate) fn new(tracks: Arc<Tracks>) -> (Self, Ends) {
        let (state_sender, state) = watch::channel(RoomState::default());
        let (commands, command_receiver) = mpsc::channel(COMMANDS);
        let (events, _) = broadcast::channel(EVENTS);
        let ends = Ends {
            state: state_sender,
            events: events.clone(),
            commands: command_receiver,
            tracks,
        };
        let room = Self {
            state,
            events,
            commands,
        };
        (room, ends)
    }

    pub(crate) fn state(&self) -> watch::Receiver<RoomState> {
        self.state.clone()
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<ServerMessage> {
        self.events.subscribe()
    }

    /// `false` where the room is not there, or is not fast enough.
    pub(crate) fn send(&self, message: ClientMessage) -> bool {
        self.state.borrow().connected && self.commands.try_send(Command::Send(message)).is_ok()
    }

    /// Negotiates media; the answer's SDP.
    pub(crate) async fn offer(&self, sdp: String) -> Result<String, SignalingError> {
        let (answer, answered) = oneshot::channel();
        let asking = async {
            self.commands.send(Command::Offer { sdp, answer }).await.ok()?;
            answered.await.ok()
        };
        let lost = || SignalingError::Declined {
            code: connection::LOST.to_owned(),
            message: "the connection with the room was lost".to_owned(),
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, asking).await {
            Ok(answer) => answer.unwrap_or_else(|| Err(lost())),
            Err(_) => Err(lost()),
        }
    }

    /// Says good-bye, so that the others need not wait whether we come back.
    pub(crate) async fn leave(&self) {
        let (done, left) = oneshot::channel();
        let leaving = async {
            if self.commands.send(Command::Leave(done)).await.is_ok() {
                let _ = left.await;
            }
        };
        let _ = tokio::time::timeout(LEAVE_TIMEOUT, leaving).await;
    }
}

/// Media of ours for the server's SFU.
fn publish_offer(sdp: String) -> ClientMessage {
    ClientMessage::WebrtcSignal {
        to_user_id: None,
        connection: Some(Connection::Publish),
        signal_type: SignalType::Offer,
        signal_data: SignalData::Description(SessionDescription { sdp }),
        sources: None,
    }
}
