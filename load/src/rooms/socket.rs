//! A participant's WebSocket.

use std::net::SocketAddr;

use footlight_protocol::{ClientMessage, MAX_SERVER_FRAME_BYTES};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::LoadError;

/// Each read clears as much memory as this before it asks the system; messages have a few hundred bytes.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// The sending half.
#[derive(Debug)]
pub(super) struct Speaker(SplitSink<WebSocketStream<TcpStream>, Message>);

/// The receiving half. It answers pings and closes.
#[derive(Debug)]
pub(super) struct Listener(SplitStream<WebSocketStream<TcpStream>>);

/// Connects to `server`, and waits until it says who is in the room.
pub(super) async fn enter(address: &str, server: SocketAddr) -> Result<(Speaker, Listener), LoadError> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(MAX_SERVER_FRAME_BYTES))
        .max_frame_size(Some(MAX_SERVER_FRAME_BYTES));
    let stream = TcpStream::connect(server)
        .await
        .map_err(|error| refused(&error.into()))?;
    stream.set_nodelay(true).map_err(|error| refused(&error.into()))?;
    let (socket, _) = client_async_with_config(address, stream, Some(config))
        .await
        .map_err(|error| refused(&error))?;
    let (sink, stream) = socket.split();
    let mut listener = Listener(stream);
    match listener.next().await {
        Some(welcome) if welcome.contains(r#""type":"current_participants""#) => Ok((Speaker(sink), listener)),
        Some(_) => Err(LoadError::Room(
            "the first message does not say who is in the room".into(),
        )),
        None => Err(LoadError::Room("closed before the first message".into())),
    }
}

fn refused(error: &Error) -> LoadError {
    let Error::Http(response) = error else {
        return LoadError::Room(error.to_string());
    };
    let body = response.body().as_deref().unwrap_or_default();
    LoadError::Room(format!("HTTP {}: {}", response.status(), String::from_utf8_lossy(body)))
}

impl Speaker {
    pub(super) async fn say(&mut self, message: &ClientMessage) -> Result<(), LoadError> {
        self.send(encode(message)).await
    }

    pub(super) async fn send(&mut self, text: Utf8Bytes) -> Result<(), LoadError> {
        self.0
            .send(Message::Text(text))
            .await
            .map_err(|error| LoadError::Room(error.to_string()))
    }

    /// Says good-bye: to be dropped instead is to be lost, and keeps the place for a while.
    pub(super) async fn leave(&mut self) {
        if let Err(error) = self.0.send(Message::Close(None)).await {
            tracing::debug!(%error, "leaving");
        }
    }
}

/// As it is sent.
pub(super) fn encode(message: &ClientMessage) -> Utf8Bytes {
    serde_json::to_string(message)
        .expect("a client message is strings and numbers, which JSON always holds")
        .into()
}

impl Listener {
    /// The next message; `None` once the connection is over.
    pub(super) async fn next(&mut self) -> Option<Utf8Bytes> {
        loop {
            match self.0.next().await? {
                Ok(Message::Text(text)) => return Some(text),
                Ok(Message::Close(Some(close))) => {
                    tracing::debug!(code = %close.code, reason = %close.reason.as_str(), "closed");
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "connection lost");
                    return None;
                }
            }
        }
    }
}
