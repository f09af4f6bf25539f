//! The least that can be called a room: whatever the host says is heard by everybody, but for faults that are known.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// What the room does wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// The first viewer does not hear the first message.
    pub(crate) swallows: bool,
    /// Everybody feed everything twice.
    pub(crate) repeats: bool,
    /// The first viewer is sent away when the host speaks.
    pub(crate) disconnects: bool,
}

/// Starts a room that lasts as long as the test's runtime.
pub(crate) async fn start(faults: Faults) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        let said = broadcast::Sender::new(1024);
        let mut sockets = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let mut method = [0; 3];
            // A client that says nothing is none of this tool's.
            while matches!(stream.peek(&mut method).await, Ok(1 | 2)) {}
            if &method == b"GET" {
                tokio::spawn(attend(stream, sockets, faults, said.clone()));
                sockets += 1;
            } else {
                tokio::spawn(answer(stream));
            }
        }
    });
    address
}

/// Creates and ends sessions.
async fn answer(mut stream: TcpStream) {
    let mut request = vec![0; 4096];
    let length = stream.read(&mut request).await.unwrap_or(0);
    let (status, body) = if request[..length].starts_with(b"POST /api/sessions ") {
        let created = json!({"session_id": "room", "host_token": "secret", "watch_url": ""});
        ("201 Created", created.to_string())
    } else {
        ("204 No Content", String::new())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes()).await;
}

/// The first who comes is the host.
async fn attend(stream: TcpStream, number: usize, faults: Faults, said: broadcast::Sender<String>) {
    let Ok(mut socket) = accept_async(stream).await else {
        return;
    };
    let mut feed = said.subscribe();
    let mut heard = 0;
    if socket
        .send(Message::text(r#"{"type":"current_participants"}"#))
        .await
        .is_err()
    {
        return;
    }
    loop {
        tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    if message["action"] == "chat" {
                        let _ = said.send(json!({"type": "chat_message", "message": message["message"]}).to_string());
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            Ok(text) = feed.recv() => {
                heard += 1;
                let first = number == 1;
                if first && faults.disconnects {
                    return;
                }
                if first && faults.swallows && heard == 1 {
                    continue;
                }
                for _ in 0..=u8::from(faults.repeats) {
                    if socket.send(Message::text(text.clone())).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
