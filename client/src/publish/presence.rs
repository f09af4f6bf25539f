//! The host's WebSocket: who watches, and whether the session was ended.
//!
//! It is a convenience. Its loss never touches the media; it comes back by itself.

use std::sync::Arc;
use std::time::Duration;

use footlight_protocol::{ClientMessage, EndReason, MAX_FRAME_BYTES, ServerEvent, ServerMessage};
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use crate::publish::backoff;
use crate::publish::broadcast::Phase;
use crate::publish::status::State;

/// Keeps proxies, which close after a minute of silence, from doing so.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Two pings went unanswered.
const SILENCE_LIMIT: Duration = Duration::from_secs(40);

/// Until the WebSocket stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the room says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Presence {
    /// Whether the WebSocket stands.
    pub(crate) connected: bool,
    /// People watching.
    pub(crate) viewers: Option<u32>,
    /// The session is over, and this is why.
    pub(crate) ended: Option<EndReason>,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Follows the room until the session ends or the broadcast does.
///
/// Off air it waits: a session that a restarted server no longer knows comes back with the next publish, and not before.
pub(crate) async fn follow(
    url: Url,
    tls: Option<Arc<ClientConfig>>,
    presence: watch::Sender<Presence>,
    mut phases: watch::Receiver<Phase>,
) {
    let mut attempt = 0;
    while phases.wait_for(|phase| phase.state == State::Live).await.is_ok() {
        match connect(&url, tls.clone()).await {
            Ok(mut socket) => {
                presence.send_modify(|presence| presence.connected = true);
                attempt = 0;
                let left = listen(&mut socket, &presence).await;
                tracing::debug!(error = left.err().map(tracing::field::display), "left the room");
            }
            Err(error) => tracing::debug!(%error, "no presence"),
        }
        presence.send_modify(|presence| {
            presence.connected = false;
            presence.viewers = None;
        });
        if presence.borrow().ended.is_some() {
            return;
        }
        let wait = backoff::delay(attempt, None, &mut rand::rng());
        attempt = attempt.saturating_add(1);
        tokio::time::sleep(wait).await;
    }
}

async fn connect(url: &Url, tls: Option<Arc<ClientConfig>>) -> Result<Socket, Error> {
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES));
    // Without TLS the connector must say so: left out, it would be built from the process's default provider.
    let connector = tls.map_or(Connector::Plain, Connector::Rustls);
    let connecting = connect_async_tls_with_config(url.as_str(), Some(limits), true, Some(connector));
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected.map(|(socket, _)| socket),
        Err(_) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Returns when the session is over or the socket is.
async fn listen(socket: &mut Socket, presence: &watch::Sender<Presence>) -> Result<(), Error> {
    let mut pings = tokio::time::interval(PING_INTERVAL);
    loop {
        tokio::select! {
            _ = pings.tick() => {
                let ping = serde_json::to_string(&ClientMessage::Ping).map_err(|error| Error::Io(error.into()))?;
                socket.send(Message::text(ping)).await?;
            }
            heard = tokio::time::timeout(SILENCE_LIMIT, socket.next()) => match heard {
                Err(_) => return Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
                Ok(None) => return Ok(()),
                Ok(Some(message)) => {
                    if let Message::Text(text) = message? {
                        note(&text, presence);
                        if presence.borrow().ended.is_some() {
                            return socket.close(None).await;
                        }
                    }
                }
            },
        }
    }
}

/// Events that this program does not know are none of its business.
fn note(text: &str, presence: &watch::Sender<Presence>) {
    let Ok(message) = serde_json::from_str::<ServerMessage>(text) else {
        return;
    };
    match message.event {
        ServerEvent::CurrentParticipants(welcome) => {
            presence.send_modify(|presence| presence.viewers = Some(welcome.viewer_count));
        }
        ServerEvent::UserJoined { viewer_count, .. } | ServerEvent::UserLeft { viewer_count, .. } => {
            presence.send_modify(|presence| presence.viewers = Some(viewer_count));
        }
        // A server that goes down for a restart takes the session up again; the media decides.
        ServerEvent::SessionEnded {
            reason: EndReason::ServerShutdown,
        } => {}
        ServerEvent::SessionEnded { reason } => presence.send_modify(|presence| presence.ended = Some(reason)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_are_counted_and_an_end_is_noticed() {
        let (sender, receiver) = watch::channel(Presence::default());
        let at = r#""timestamp":"1970-01-01T00:00:00.000Z""#;
        note(
            &format!(r#"{{"type":"user_left","user_id":"u","username":"x","viewer_count":3,{at}}}"#),
            &sender,
        );
        assert_eq!(receiver.borrow().viewers, Some(3));
        for harmless in ["", "{}", "[1]", r#"{"type":"novelty"}"#] {
            note(harmless, &sender);
        }
        note(
            &format!(r#"{{"type":"session_ended","reason":"server_shutdown",{at}}}"#),
            &sender,
        );
        assert_eq!(receiver.borrow().ended, None);
        note(
            &format!(r#"{{"type":"session_ended","reason":"ended_by_host",{at}}}"#),
            &sender,
        );
        assert_eq!(receiver.borrow().ended, Some(EndReason::EndedByHost));
    }
}
