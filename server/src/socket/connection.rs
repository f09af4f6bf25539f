//! One participant's WebSocket, from the handshake to the close.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use footlight_protocol::{
    ClientMessage, Connection, ServerEvent, SessionDescription, SignalData, SignalType, TrackSource,
};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tungstenite::Error as WireError;

use super::flood::Allowance;
use super::message;
use crate::media::{MediaError, Wish};
use crate::rooms::PublishRefusal;
use crate::sessions::{Admission, Closing, Item, Mail, Seat, SignalError};

/// How often the server pings. Home routers forget a silent connection after a minute or two.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long a connection may be silent, not even answering pings, before it is given up: three pings.
const SILENCE_TIMEOUT: Duration = Duration::from_mins(1);

/// How long the messages that waited may take to be handed to the system: they do as soon as the other side reads.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the other side may take to answer a close (RFC 6455 §7.1.1).
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// In the range for private use (RFC 6455 §7.4.2): the same participant has a newer connection, so do not come back.
const REPLACED: u16 = 4001;

/// In the same range: sent away, so do not come back.
const SENT_AWAY: u16 = 4003;

/// In the same range, said by the other side: it thinks that the connection is lost, and comes back by another one.
const COMING_BACK: u16 = 4004;

/// Why the server closes.
#[derive(Debug, Clone, Copy)]
struct End {
    code: u16,
    reason: &'static str,
}

impl End {
    /// Whether the other side's answer cannot be read: the WebSocket layer reads nothing after what it refused.
    const fn leaves_unread(self) -> bool {
        matches!(self.code, close_code::SIZE | close_code::PROTOCOL | close_code::INVALID)
    }
}

const fn end(code: u16, reason: &'static str) -> End {
    End { code, reason }
}

/// Serves the connection until one side has enough of it.
pub(super) async fn run(socket: WebSocket, admission: Admission) {
    let (mut sink, mut stream) = socket.split();
    let Some((seat, mut mail)) = admission.take() else {
        let why = end(close_code::AGAIN, "the session is full or has ended");
        close(&mut sink, &mut stream, None, Some(why)).await;
        return;
    };
    tracing::debug!(session = %seat.session_id(), user = %seat.user_id(), "participant connected");
    let ended = tokio::select! {
        ended = read(&mut stream, &seat) => ended,
        ended = write(&mut sink, &mut mail) => ended,
    };
    tracing::debug!(session = %seat.session_id(), user = %seat.user_id(), ?ended, "participant disconnected");
    // Left before the close is over: the others need not wait for this one's manners.
    drop(seat);
    close(&mut sink, &mut stream, Some(&mut mail), ended).await;
}

/// `None` where the other side is gone and there is nobody to say good-bye to.
async fn write(sink: &mut SplitSink<WebSocket, Message>, mail: &mut Mail) -> Option<End> {
    let mut ping = interval(PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            biased;
            Some(closing) = mail.closing.recv() => return Some(end_of(closing)),
            message = mail.queue.recv() => match message {
                Some(Item::Message(text)) => Message::Text(text),
                Some(Item::Close(closing)) => return Some(end_of(closing)),
                None => return Some(end(close_code::NORMAL, "the session has ended")),
            },
            _ = ping.tick() => Message::Ping(bytes::Bytes::new()),
        };
        // A reader that stops reading is noticed while its queue fills up behind the messages that do not go out.
        tokio::select! {
            sent = timeout(SEND_TIMEOUT, send(sink, message, &mut mail.queue)) => match sent {
                Ok(Ok(None)) => {}
                Ok(Ok(Some(closing))) => return Some(end_of(closing)),
                Ok(Err(_)) => return None,
                Err(_) => return Some(end_of(Closing::TooSlow)),
            },
            Some(closing) = mail.closing.recv() => return Some(end_of(closing)),
        }
    }
}

/// Sends a message together with those that wait behind it. What happens at once in a full room, such as reactions, costs
/// each of its participants one call to the system and not one for each event. Gives the end, where the queue holds it.
async fn send(
    sink: &mut SplitSink<WebSocket, Message>,
    first: Message,
    queue: &mut mpsc::Receiver<Item>,
) -> Result<Option<Closing>, axum::Error> {
    sink.feed(first).await?;
    let closing = loop {
        match queue.try_recv() {
            Ok(Item::Message(text)) => sink.feed(Message::Text(text)).await?,
            Ok(Item::Close(closing)) => break Some(closing),
            // The end of the queue is noticed when it is asked for the next time.
            Err(_) => break None,
        }
    };
    sink.flush().await?;
    Ok(closing)
}

fn end_of(closing: Closing) -> End {
    match closing {
        Closing::TooSlow => end(close_code::AGAIN, "too many messages were left unread"),
        Closing::Replaced => end(REPLACED, "replaced by a newer connection"),
        Closing::SentAway => end(SENT_AWAY, "removed from the session"),
    }
}

async fn read(stream: &mut SplitStream<WebSocket>, seat: &Seat) -> Option<End> {
    let mut allowance = Allowance::new(Instant::now());
    loop {
        let text = match timeout(SILENCE_TIMEOUT, stream.next()).await {
            Err(_) => return Some(end(close_code::AWAY, "nothing was heard for too long")),
            Ok(None) => return None,
            Ok(Some(Ok(Message::Close(Some(frame))))) if frame.code == COMING_BACK => return None,
            // Said on purpose, and therefore no loss to come back from.
            Ok(Some(Ok(Message::Close(_)))) => {
                seat.leave();
                return None;
            }
            Ok(Some(Err(error))) => return end_of_error(error),
            Ok(Some(Ok(Message::Binary(_)))) => return Some(end(close_code::UNSUPPORTED, "messages are text")),
            // Counted like messages: a flood of pings has to be answered as well.
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => None,
            Ok(Some(Ok(Message::Text(text)))) => Some(text),
        };
        let sensible = match text {
            Some(text) => receive(&text, seat).await,
            None => true,
        };
        if !allowance.spend(sensible, Instant::now()) {
            seat.leave();
            return Some(end(close_code::POLICY, "too many messages"));
        }
    }
}

/// What the WebSocket layer refused. axum hides its error type, which is tungstenite's.
fn end_of_error(error: axum::Error) -> Option<End> {
    match error.into_inner().downcast_ref::<WireError>() {
        Some(WireError::Capacity(_)) => Some(end(close_code::SIZE, "a frame may have 64 KiB at most")),
        Some(WireError::Protocol(_)) => Some(end(close_code::PROTOCOL, "this is not RFC 6455")),
        Some(WireError::Utf8(_)) => Some(end(close_code::INVALID, "text is UTF-8")),
        _ => None,
    }
}

/// Does what a message asks for; `false` where it made no sense or was refused.
async fn receive(text: &Utf8Bytes, seat: &Seat) -> bool {
    match message::read(text) {
        Ok(ClientMessage::Ping) => seat.tell(ServerEvent::Pong),
        Ok(ClientMessage::KeepAlive) => {}
        Ok(ClientMessage::WebrtcSignal {
            to_user_id: None,
            connection,
            signal_type,
            signal_data,
            sources,
        }) => {
            let done = match connection {
                Some(connection) => signal(connection, signal_type, signal_data, sources, seat).await,
                None => Err(SignalError::NoAddressee),
            };
            if let Err(error) = done {
                seat.tell(error_of(&error, "webrtc_signal", connection));
                return false;
            }
        }
        Ok(ClientMessage::Slot { mid, height, priority }) => {
            if let Err(error) = seat.wish(mid, Wish { height, priority }) {
                seat.tell(error_of(&error, "slot", Some(Connection::Subscribe)));
                return false;
            }
        }
        Ok(message) => return seat.act(message),
        Err(problem) => {
            seat.tell(problem.into());
            return false;
        }
    }
    true
}

async fn signal(
    connection: Connection,
    signal_type: SignalType,
    data: SignalData,
    sources: Option<BTreeMap<String, TrackSource>>,
    seat: &Seat,
) -> Result<(), SignalError> {
    match (signal_type, data) {
        (SignalType::IceCandidate, SignalData::Candidate(candidate)) => {
            seat.add_candidate(connection, &candidate.candidate)
        }
        (SignalType::Offer, SignalData::Description(offer)) => {
            let sdp = seat.answer(connection, offer.sdp, sources).await?;
            seat.tell(ServerEvent::WebrtcSignal {
                session_id: seat.session_id().clone(),
                connection: Some(connection),
                from_user_id: None,
                from_username: None,
                to_user_id: seat.user_id().clone(),
                signal_type: SignalType::Answer,
                signal_data: SignalData::Description(SessionDescription { sdp }),
            });
            Ok(())
        }
        _ => Err(SignalError::Mismatch),
    }
}

fn error_of(error: &SignalError, action: &str, connection: Option<Connection>) -> ServerEvent {
    let code = match error {
        SignalError::Refused(PublishRefusal::Ended) | SignalError::Ended => "session_ended",
        SignalError::Refused(PublishRefusal::StageFull) => "stage_full",
        SignalError::Refused(PublishRefusal::OnAir) => "on_air",
        SignalError::Refused(PublishRefusal::Mesh) | SignalError::Mesh => "mesh",
        SignalError::Refused(PublishRefusal::NotOnStage | PublishRefusal::Barred) => "forbidden",
        SignalError::NoVideo(_) => "no_video",
        SignalError::Mismatch | SignalError::NoAddressee => "bad_message",
        SignalError::NoConnection => "no_connection",
        SignalError::Media(MediaError::BadOffer(_)) => "bad_offer",
        SignalError::Media(MediaError::CodecUnsupported(_)) => "codec_unsupported",
        SignalError::Media(_) => "media_unavailable",
    };
    ServerEvent::Error {
        code: code.to_owned(),
        message: error.to_string(),
        action: Some(action.to_owned()),
        connection,
    }
}

/// Says why, and waits a moment for the answer: closing a socket with unread data in it would take the reason back.
/// What waits is said before: somebody who sent too much was told so many times. Where nothing can be read any more, the
/// moment is all that the other side has to read the reason in.
async fn close(
    sink: &mut SplitSink<WebSocket, Message>,
    stream: &mut SplitStream<WebSocket>,
    mail: Option<&mut Mail>,
    why: Option<End>,
) {
    let frame = why.map(|End { code, reason }| CloseFrame {
        code,
        reason: reason.into(),
    });
    let _ = timeout(CLOSE_TIMEOUT, async {
        if let Some(mail) = mail.filter(|_| why.is_some()) {
            while let Ok(Item::Message(text)) = mail.queue.try_recv() {
                sink.feed(Message::Text(text)).await?;
            }
        }
        if sink.send(Message::Close(frame)).await.is_ok() {
            while let Some(Ok(_)) = stream.next().await {}
            if why.is_some_and(End::leaves_unread) {
                std::future::pending::<()>().await;
            }
        }
        Ok::<_, axum::Error>(())
    })
    .await;
}
