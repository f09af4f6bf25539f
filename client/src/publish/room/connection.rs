//! One WebSocket to the room.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use footlight_protocol::{
    CHAT_HISTORY, ChatMessage, ClientMessage, Connection, EndReason, MAX_SERVER_FRAME_BYTES, MediaKind, Role,
    ServerEvent, ServerMessage, SignalData, SignalType, Welcome,
};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::{Command, Ends, Entrance, Over, Place, publish_offer};
use crate::publish::tracks::TrackStates;
use crate::publish::whip::SignalingError;

/// Keeps proxies, which close after a minute of silence, from doing so.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Two pings went unanswered.
const SILENCE_LIMIT: Duration = Duration::from_secs(40);

/// Until the WebSocket stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// For one message to be handed to the system.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Of the chat before our time, this much is shown.
const HISTORY_SHOWN: usize = 20;

/// Close codes of the server's, in the range for private use (RFC 6455 §7.4.2): the same place was taken on another
/// connection, and sent away.
const REPLACED: u16 = 4001;
const SENT_AWAY: u16 = 4003;

/// Code of an offer that was not answered because the WebSocket went away; not one of the server's.
pub(super) const LOST: &str = "connection_lost";

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why the WebSocket is not there any more.
#[derive(Debug)]
pub(super) enum Left {
    /// The next one may be.
    Lost,
    /// There is nothing to come back to.
    Over(Over),
    /// We said good-bye.
    Stopped,
}

/// What is kept from one WebSocket to the next.
#[derive(Default)]
pub(super) struct Seat {
    /// Brings us back to the same place. A secret.
    pub(super) resume_token: Option<String>,
    /// Whether we ever were in the room.
    pub(super) was_taken: bool,
    /// Messages of the chat that were passed on: a history is told again at each joining.
    seen: VecDeque<String>,
}

impl Seat {
    /// Whether a message is a new one; remembers it.
    fn is_news(&mut self, message_id: &str) -> bool {
        if self.seen.iter().any(|seen| seen == message_id) {
            return false;
        }
        if self.seen.len() == CHAT_HISTORY {
            self.seen.pop_front();
        }
        self.seen.push_back(message_id.to_owned());
        true
    }
}

pub(super) async fn open(entrance: &Entrance, resume_token: Option<&str>) -> Result<Socket, Error> {
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_SERVER_FRAME_BYTES))
        .max_frame_size(Some(MAX_SERVER_FRAME_BYTES));
    let mut url = entrance.url.clone();
    if let Some(token) = resume_token {
        url.query_pairs_mut().append_pair("resume_token", token);
    }
    // Without TLS the connector must say so: left out, it would be built from the process's default provider.
    let connector = entrance.tls.clone().map_or(Connector::Plain, Connector::Rustls);
    let connecting = connect_async_tls_with_config(url.as_str(), Some(limits), true, Some(connector));
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected.map(|(socket, _)| socket),
        Err(_) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// One WebSocket's state.
struct Listener<'a> {
    socket: &'a mut Socket,
    seat: &'a mut Seat,
    ends: &'a mut Ends,
    /// Whoever waits for the answer to our last offer.
    answer: Option<oneshot::Sender<Result<String, SignalingError>>>,
}

/// Returns when the WebSocket is of no use any more.
pub(super) async fn listen(socket: &mut Socket, seat: &mut Seat, ends: &mut Ends) -> Left {
    let mut tracks = ends.tracks.watch();
    let mut listener = Listener {
        socket,
        seat,
        ends,
        answer: None,
    };
    match listener.run(&mut tracks).await {
        Ok(left) => left,
        Err(error) => {
            tracing::debug!(%error, "the room's connection failed");
            Left::Lost
        }
    }
}

impl Listener<'_> {
    async fn run(&mut self, tracks: &mut watch::Receiver<TrackStates>) -> Result<Left, Error> {
        let mut pings = tokio::time::interval(PING_INTERVAL);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                _ = pings.tick() => {
                    if heard.elapsed() > SILENCE_LIMIT {
                        return Ok(Left::Lost);
                    }
                    self.send(&ClientMessage::Ping).await?;
                }
                Ok(()) = tracks.changed() => self.tell_media().await?,
                command = self.ends.commands.recv() => match command {
                    Some(Command::Send(message)) => self.send(&message).await?,
                    // Whoever offered may have given up while the offer waited.
                    Some(Command::Offer { answer, .. }) if answer.is_closed() => {}
                    Some(Command::Offer { sdp, answer }) => {
                        self.answer = Some(answer);
                        self.send(&publish_offer(sdp)).await?;
                    }
                    Some(Command::Leave(done)) => {
                        let _ = self.socket.close(None).await;
                        let _ = done.send(());
                        return Ok(Left::Stopped);
                    }
                    None => return Ok(Left::Stopped),
                },
                message = self.socket.next() => {
                    heard = Instant::now();
                    let left = match message {
                        None => Some(Left::Lost),
                        Some(Ok(Message::Text(text))) => self.hear(&text).await?,
                        Some(Ok(Message::Close(frame))) => Some(closed(frame.as_ref())),
                        Some(Ok(_)) => None,
                        Some(Err(error)) => return Err(error),
                    };
                    if let Some(left) = left {
                        let _ = tokio::time::timeout(SEND_TIMEOUT, self.socket.close(None)).await;
                        return Ok(left);
                    }
                }
            }
        }
    }

    async fn send(&mut self, message: &ClientMessage) -> Result<(), Error> {
        let text = serde_json::to_string(message).map_err(|error| Error::Io(error.into()))?;
        match tokio::time::timeout(SEND_TIMEOUT, self.socket.send(Message::text(text))).await {
            Ok(sent) => sent,
            Err(_) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }

    /// Says which of our tracks are on, where we are on the stage.
    async fn tell_media(&mut self) -> Result<(), Error> {
        let on_stage = matches!(&self.ends.state.borrow().place, Some(place) if place.role >= Role::Guest);
        if !on_stage {
            return Ok(());
        }
        let tracks = self.ends.tracks.states();
        self.send(&ClientMessage::UpdateMediaStatus {
            audio_enabled: tracks.audio.on,
            video_enabled: tracks.video.on,
        })
        .await
    }

    /// Takes one message. Those that this program does not know are none of its business.
    async fn hear(&mut self, text: &str) -> Result<Option<Left>, Error> {
        let Ok(ServerMessage { event, timestamp }) = serde_json::from_str(text) else {
            return Ok(None);
        };
        match event {
            ServerEvent::CurrentParticipants(welcome) => self.enter(*welcome).await?,
            ServerEvent::WebrtcSignal {
                connection: Some(Connection::Publish),
                signal_type: SignalType::Answer,
                signal_data: SignalData::Description(answer),
                ..
            } => self.answered(Ok(answer.sdp)),
            ServerEvent::Error {
                code,
                message,
                action: Some(action),
                connection: None | Some(Connection::Publish),
            } if action == "webrtc_signal" => {
                self.answered(Err(SignalingError::Declined { code, message }));
            }
            event => return self.take(event, timestamp).await,
        }
        Ok(None)
    }

    fn answered(&mut self, answer: Result<String, SignalingError>) {
        if let Some(waiting) = self.answer.take() {
            let _ = waiting.send(answer);
        }
    }

    async fn enter(&mut self, welcome: Welcome) -> Result<(), Error> {
        let Welcome {
            you,
            viewer_count,
            resume_token,
            chat_history,
            guest_requests,
            ..
        } = welcome;
        let is_first = !std::mem::replace(&mut self.seat.was_taken, true);
        self.seat.resume_token = Some(resume_token).filter(|token| !token.is_empty());
        self.ends.tracks.follow(&you);
        self.ends.state.send_modify(|state| {
            state.connected = true;
            state.viewers = Some(viewer_count);
            state.place = Some(Place {
                user_id: you.user_id,
                role: you.role,
            });
        });
        let old = if is_first {
            chat_history.len().saturating_sub(HISTORY_SHOWN)
        } else {
            0
        };
        for (index, message) in chat_history.into_iter().enumerate() {
            if self.seat.is_news(&message.message_id) && index >= old {
                self.pass_on(written(message));
            }
        }
        for request in guest_requests {
            let event = ServerEvent::GuestRequest {
                user_id: request.user_id,
                username: request.username,
            };
            self.pass_on(ServerMessage::new(event, std::time::SystemTime::now()));
        }
        self.tell_media().await
    }

    /// Does what an event asks for, and passes it on where somebody may want to read it.
    async fn take(&mut self, event: ServerEvent, timestamp: String) -> Result<Option<Left>, Error> {
        let mut left = None;
        match &event {
            ServerEvent::UserJoined { viewer_count, .. } | ServerEvent::UserLeft { viewer_count, .. } => {
                self.count(*viewer_count);
                return Ok(None);
            }
            ServerEvent::RoleChanged {
                user_id,
                role,
                viewer_count,
                ..
            } => {
                self.count(*viewer_count);
                let is_us = matches!(&self.ends.state.borrow().place, Some(place) if place.user_id == *user_id);
                if is_us {
                    self.set_role(*role).await?;
                }
            }
            ServerEvent::Promoted { new_role } | ServerEvent::Demoted { new_role } => self.set_role(*new_role).await?,
            ServerEvent::GuestApproved { .. } => self.set_role(Role::Guest).await?,
            ServerEvent::GuestRejected { rejected_by } => {
                left = Some(Left::Over(Over::Rejected {
                    by: rejected_by.clone(),
                }));
            }
            ServerEvent::ForceMuteAudio { by } => self.ends.tracks.mute(MediaKind::Audio, by.clone()),
            ServerEvent::ForceMuteVideo { by } => self.ends.tracks.mute(MediaKind::Video, by.clone()),
            ServerEvent::UnmuteAllowed { kind, .. } => self.ends.tracks.allow(*kind),
            ServerEvent::Kicked { by, .. } => left = Some(Left::Over(Over::Kicked { by: Some(by.clone()) })),
            // A server that goes down for a restart takes the session up again; the media decides.
            ServerEvent::SessionEnded {
                reason: EndReason::ServerShutdown,
            } => {}
            ServerEvent::SessionEnded { reason } => left = Some(Left::Over(Over::Ended(*reason))),
            ServerEvent::ChatMessage { message_id, .. } if !self.seat.is_news(message_id) => return Ok(None),
            // Of use to whoever receives media, and to programs that keep a list of people.
            ServerEvent::Pong
            | ServerEvent::CurrentParticipants(_)
            | ServerEvent::WebrtcSignal { .. }
            | ServerEvent::SlotAssigned { .. }
            | ServerEvent::SlotsWanted { .. }
            | ServerEvent::ActiveSpeakers { .. }
            | ServerEvent::ConnectionQuality { .. }
            | ServerEvent::ParticipantMediaChanged { .. } => return Ok(None),
            _ => {}
        }
        self.pass_on(ServerMessage { event, timestamp });
        Ok(left)
    }

    fn count(&self, viewers: u32) {
        self.ends.state.send_modify(|state| state.viewers = Some(viewers));
    }

    async fn set_role(&mut self, role: Role) -> Result<(), Error> {
        let changed = self.ends.state.send_if_modified(|state| match &mut state.place {
            Some(place) if place.role != role => {
                place.role = role;
                true
            }
            _ => false,
        });
        if changed {
            self.tell_media().await?;
        }
        Ok(())
    }

    fn pass_on(&self, message: ServerMessage) {
        // Nobody has to listen.
        let _ = self.ends.events.send(message);
    }
}

fn closed(frame: Option<&CloseFrame>) -> Left {
    match frame.map(|frame| CloseCode::into(frame.code)) {
        Some(REPLACED) => Left::Over(Over::Replaced),
        Some(SENT_AWAY) => Left::Over(Over::Kicked { by: None }),
        _ => Left::Lost,
    }
}

fn written(message: ChatMessage) -> ServerMessage {
    ServerMessage {
        timestamp: message.timestamp,
        event: ServerEvent::ChatMessage {
            message_id: message.message_id,
            user_id: message.user_id,
            username: message.username,
            role: message.role,
            message: message.message,
        },
    }
}
