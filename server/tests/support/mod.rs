//! A server of one's own for each test, and what speaks to it.
#![allow(dead_code, reason = "each test program uses its own part of this")]
#![allow(
    unreachable_pub,
    reason = "a module of several test programs, none of which is a library"
)]
#![allow(clippy::missing_panics_doc, reason = "a test panics where its preconditions fail")]

use std::net::SocketAddr;
use std::time::Duration;

use footlight_protocol::{ApiError, CreateSession, SessionCreated};
use footlight_server::Server;
use footlight_server::config::{Config, TlsMode};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use str0m::media::{Direction, MediaKind};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longer than anything that a test waits for takes on a busy machine; a test fails by it and never passes by it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server on free ports of the loopback interface, gone with its value.
pub struct TestServer {
    pub server: Option<Server>,
    pub address: SocketAddr,
    pub client: Client,
    _data_dir: tempfile::TempDir,
}

impl TestServer {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        // The workspace has two providers in it, so that rustls cannot choose one by itself. Another test may have.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let data_dir = tempfile::tempdir().expect("a folder");
        let loopback: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let mut config = Config {
            listen: vec![loopback],
            listen_is_default: false,
            media_port: 0,
            advertise: vec![loopback.ip()],
            workers: 1,
            // Many servers run at once here.
            pinning: false,
            data_dir: Some(data_dir.path().to_owned()),
            tls: TlsMode::Off,
            ..Config::default()
        };
        change(&mut config);
        let server = Server::start(config).expect("the server starts");
        let address = server.addresses()[0];
        let client = Client::builder()
            .danger_accept_invalid_certs(true)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        Self {
            server: Some(server),
            address,
            client,
            _data_dir: data_dir,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.expect("an answer")
    }

    /// Creates a session by the API.
    pub async fn create_session(&self) -> SessionCreated {
        let response = self
            .client
            .post(self.url("/api/sessions"))
            .json(&CreateSession::default())
            .send()
            .await;
        let response = response.expect("an answer");
        assert_eq!(response.status(), StatusCode::CREATED);
        response.json().await.expect("JSON")
    }

    /// A WHIP or WHEP request, to be sent.
    pub fn offer(&self, path: &str, offer: String) -> RequestBuilder {
        let request = self.client.post(self.url(path));
        request.header("content-type", "application/sdp").body(offer)
    }

    /// Publishes without a token.
    pub async fn publish(&self, session: &str) -> Response {
        let path = format!("/whip/{session}");
        self.offer(&path, publish_offer()).send().await.expect("an answer")
    }

    pub async fn connect(&self, path: &str) -> Socket {
        let (stream, _) = connect_async(format!("ws://{}{path}", self.address))
            .await
            .expect("the handshake succeeds");
        Socket(stream)
    }

    /// The status with which a handshake was refused, and its body.
    pub async fn refused(&self, path: &str) -> (StatusCode, Value) {
        match connect_async(format!("ws://{}{path}", self.address)).await {
            Err(WsError::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                let status = StatusCode::from_u16(response.status().as_u16()).expect("a status");
                (status, serde_json::from_slice(&body).expect("JSON"))
            }
            other => panic!("not refused: {other:?}"),
        }
    }

    /// The value of a metric.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").await.text().await.expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .parse()
            .expect("a number")
    }
}

/// A participant's WebSocket.
pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("sends");
    }

    /// Says good-bye. To be dropped instead is to be lost, and keeps the place.
    pub async fn leave(mut self) {
        self.0.close(None).await.expect("closes");
    }

    /// Closes as by somebody who comes back by another connection, and waits until that is taken note of.
    pub async fn close_for_now(mut self) {
        let frame = CloseFrame {
            code: CloseCode::Library(4004),
            reason: "".into(),
        };
        self.0.close(Some(frame)).await.expect("closes");
        while let Some(Ok(_)) = self.0.next().await {}
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.0.next())
                .await
                .expect("a message in time");
            match frame.expect("the connection is open").expect("a frame") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a message: {other:?}"),
            }
        }
    }

    /// The next message of this type; what comes before it is passed over.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The code with which the server closes; what comes before it is passed over.
    pub async fn close_code(&mut self) -> CloseCode {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.0.next())
                .await
                .expect("a close in time");
            match frame {
                Some(Ok(Message::Close(Some(close)))) => return close.code,
                Some(Ok(_)) => {}
                other => panic!("closed without a code: {other:?}"),
            }
        }
    }

    /// Sends an offer and returns the answer, or the error.
    pub async fn negotiate(&mut self, connection: &str, sdp: &str) -> Value {
        self.send(
            &json!({"action": "webrtc_signal", "connection": connection, "signal_type": "offer",
            "signal_data": {"type": "offer", "sdp": sdp}}),
        )
        .await;
        loop {
            let message = self.next().await;
            if message["type"] == "webrtc_signal" || message["type"] == "error" {
                return message;
            }
        }
    }
}

/// An offer of a publisher: audio and video.
pub fn publish_offer() -> String {
    offer(Direction::SendOnly)
}

/// An offer of a viewer: one slot for each.
pub fn watch_offer() -> String {
    offer(Direction::RecvOnly)
}

fn offer(direction: Direction) -> String {
    let mut rtc = str0m::RtcConfig::new().build(std::time::Instant::now());
    let candidate = str0m::Candidate::host("127.0.0.1:9".parse().expect("an address"), "udp").expect("a candidate");
    rtc.add_local_candidate(candidate);
    let mut changes = rtc.sdp_api();
    changes.add_media(MediaKind::Audio, direction, None, None, None);
    changes.add_media(MediaKind::Video, direction, None, None, None);
    changes.apply().expect("there are changes").0.to_sdp_string()
}

/// The JSON body of an error.
pub async fn error_of(response: Response) -> ApiError {
    response.json().await.expect("an error as JSON")
}

/// A header as text.
pub fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name).unwrap_or_else(|| panic!("no {name}"));
    value.to_str().expect("text").to_owned()
}
