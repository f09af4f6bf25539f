//! `WebSocket` connections to the chosen server, for the pages.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use footlight_protocol::{MAX_FRAME_BYTES, MAX_SERVER_FRAME_BYTES};
use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::Connection;
use super::relay::Window;
use crate::failure::Failure;

/// Connections at a time. A page has one, and a second while it changes its name.
const MAX_SOCKETS: usize = 8;

/// Frames that wait to be sent. A page sends its next one when the one before is taken, so this is for those that come
/// while the network stutters.
const OUTGOING: usize = 16;

/// Until the WebSocket stands. The page gives up after 8 s by itself.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// For one frame to be handed to the system.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// For the farewell; whoever left the page does not wait for a dead server.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the server's connections are.
const PATH: &str = "/ws/live/";

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Names a WebSocket, until the app ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct SocketId(u32);

/// What a page is told of its WebSocket. After `Closed`, nothing more.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum SocketEvent {
    /// It stands.
    Opened,
    /// A frame, to be acknowledged.
    Text {
        /// Its content.
        text: String,
    },
    /// It is gone.
    Closed(Closed),
}

/// How a WebSocket ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub(crate) struct Closed {
    /// The server's close code (RFC 6455 §7.4), where it gave one.
    pub(crate) code: Option<u16>,
    /// Why it never stood.
    pub(crate) failure: Option<Failure>,
}

/// The end of a WebSocket that the commands hold.
#[derive(Debug)]
struct Handle {
    frames: mpsc::Sender<String>,
    /// Frames that the page has taken since the beginning.
    taken: watch::Sender<u64>,
    /// Dropped to end it; a code to say good-bye with.
    close: watch::Sender<Option<u16>>,
}

/// The other end.
struct Ends {
    frames: mpsc::Receiver<String>,
    taken: watch::Receiver<u64>,
    close: watch::Receiver<Option<u16>>,
}

/// The pages' connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sockets {
    open: Arc<Mutex<Open>>,
    /// One of them has ended.
    ended: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Open {
    last: u32,
    handles: HashMap<SocketId, Handle>,
}

impl Sockets {
    /// Begins to open a WebSocket at `path`; `tell` hears what becomes of it, and answers whether anybody listens.
    pub(crate) fn open(
        &self,
        connection: &Connection,
        path: &str,
        tell: impl Fn(SocketEvent) -> bool + Send + Sync + 'static,
    ) -> Result<SocketId, Failure> {
        let malformed = || Failure::invalid(format!("{:?} is no path of a room.", path.split('?').next()));
        let mut url = connection.address().resolve(path).ok_or_else(malformed)?;
        if !path.starts_with(PATH) {
            return Err(malformed());
        }
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).map_err(|()| malformed())?;
        let (frames, frames_taken) = mpsc::channel(OUTGOING);
        let (taken, taken_seen) = watch::channel(0);
        let (close, closing) = watch::channel(None);
        let id = {
            let mut open = self.open.lock();
            if open.handles.len() >= MAX_SOCKETS {
                return Err(Failure::Busy);
            }
            open.last = open.last.wrapping_add(1);
            let id = SocketId(open.last);
            open.handles.insert(id, Handle { frames, taken, close });
            id
        };
        let mut ends = Ends {
            frames: frames_taken,
            taken: taken_seen,
            close: closing,
        };
        let server = connection.address().authority();
        // Without TLS the connector must say so: left out, it would be built from the process's default provider.
        let connector = match scheme {
            "wss" => Connector::Rustls(Arc::clone(&connection.tls)),
            _ => Connector::Plain,
        };
        let sockets = self.clone();
        tauri::async_runtime::spawn(async move {
            let opened = tokio::select! {
                opened = connect(url.as_str(), connector) => opened,
                _ = ends.close.changed() => Err(Error::ConnectionClosed),
            };
            let closed = match opened {
                Ok(mut stream) if tell(SocketEvent::Opened) => relay(&mut stream, &mut ends, &tell).await,
                Ok(_) => Closed::default(),
                Err(error) => Closed {
                    code: None,
                    failure: Some(Failure::of_exchange(&server, &error)),
                },
            };
            sockets.open.lock().handles.remove(&id);
            sockets.ended.notify_one();
            tell(SocketEvent::Closed(closed));
        });
        Ok(id)
    }

    /// Sends a frame, as soon as those before it are on their way.
    pub(crate) async fn send(&self, id: SocketId, text: String) -> Result<(), Failure> {
        if text.len() > MAX_FRAME_BYTES {
            return Err(Failure::invalid(format!(
                "A frame has at most {MAX_FRAME_BYTES} bytes."
            )));
        }
        let frames = self.with(id, |handle| handle.frames.clone())?;
        frames.send(text).await.map_err(|_| gone())
    }

    /// The page has taken `taken` frames since the beginning.
    pub(crate) fn acknowledge(&self, id: SocketId, taken: u64) -> Result<(), Failure> {
        self.with(id, |handle| {
            handle.taken.send_replace(taken);
        })
    }

    /// Ends a WebSocket; one that has ended already is what was wanted.
    pub(crate) fn close(&self, id: SocketId, code: Option<u16>) {
        if let Some(handle) = self.open.lock().handles.get(&id) {
            handle.close.send_replace(Some(code.unwrap_or(CloseCode::Away.into())));
        }
    }

    /// Ends all of them: the page that they belonged to is gone.
    pub(crate) fn close_all(&self) {
        for handle in self.open.lock().handles.values() {
            handle.close.send_replace(Some(CloseCode::Away.into()));
        }
    }

    /// Ends all of them, and waits for their farewells.
    pub(crate) async fn drain(&self) {
        self.close_all();
        let all_ended = async {
            while !self.open.lock().handles.is_empty() {
                self.ended.notified().await;
            }
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, all_ended).await.is_err() {
            tracing::info!("the server did not hear all farewells");
        }
    }

    fn with<T>(&self, id: SocketId, use_it: impl FnOnce(&Handle) -> T) -> Result<T, Failure> {
        self.open.lock().handles.get(&id).map(use_it).ok_or_else(gone)
    }
}

fn gone() -> Failure {
    Failure::invalid("This connection is closed.")
}

async fn connect(url: &str, connector: Connector) -> Result<Stream, Error> {
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_SERVER_FRAME_BYTES))
        .max_frame_size(Some(MAX_SERVER_FRAME_BYTES));
    let connecting = connect_async_tls_with_config(url, Some(limits), true, Some(connector));
    match tokio::time::timeout(OPEN_TIMEOUT, connecting).await {
        Ok(connected) => connected.map(|(stream, _)| stream),
        Err(_) => Err(Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Carries frames both ways until one side has enough.
async fn relay(stream: &mut Stream, ends: &mut Ends, tell: &(impl Fn(SocketEvent) -> bool + Sync)) -> Closed {
    let mut window = Window::default();
    let code = loop {
        tokio::select! {
            // What the page said before it left is said before the farewell.
            biased;
            Some(text) = ends.frames.recv() => {
                match tokio::time::timeout(SEND_TIMEOUT, stream.send(Message::text(text))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return Closed::default(),
                }
            }
            changed = ends.close.changed() => {
                break changed.ok().and_then(|()| *ends.close.borrow());
            }
            changed = ends.taken.changed() => {
                let taken = *ends.taken.borrow_and_update();
                if changed.is_err() || window.acknowledged(taken).is_err() {
                    tracing::warn!(taken, "the page acknowledges what it was never sent");
                    break None;
                }
            }
            frame = stream.next(), if window.has_room() => match frame {
                Some(Ok(Message::Text(text))) => {
                    window.sent(text.len());
                    if !tell(SocketEvent::Text { text: text.as_str().to_owned() }) {
                        break None;
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    return Closed { code: frame.map(|frame| frame.code.into()), failure: None };
                }
                // Pings are answered by the library; the server sends no binary frames.
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Closed::default(),
            },
        }
    };
    let frame = code.map(|code| CloseFrame {
        code: code.into(),
        reason: "".into(),
    });
    // The server notices by itself, later, where this does not reach it.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, stream.close(frame)).await;
    Closed { code, failure: None }
}
