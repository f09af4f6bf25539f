//! The room's WebSocket, played by the test.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::extract::{Query, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use footlight_protocol::{
    ClientMessage, Connection, Participant, Role, ServerEvent, ServerMessage, SessionDescription, SessionMode,
    SignalData, SignalType, Topology, UserId, Welcome,
};
use tokio::sync::mpsc;

use super::{PATIENCE, Peer, Shared, UNREAD};

/// One connection to the room. Dropping it breaks the connection off without a word.
pub(crate) struct Seat {
    /// Of the address it came by.
    pub(crate) query: HashMap<String, String>,
    from_client: mpsc::Receiver<ClientMessage>,
    to_client: mpsc::Sender<Message>,
}

impl Seat {
    /// Tells the client something.
    pub(crate) async fn tell(&self, event: ServerEvent) {
        let message = ServerMessage::new(event, SystemTime::now());
        let text = serde_json::to_string(&message).expect("serialises");
        self.to_client.send(Message::text(text)).await.expect("connected");
    }

    /// Closes with a code.
    pub(crate) async fn close(&self, code: u16) {
        let frame = CloseFrame {
            code,
            reason: "as the test wants it".into(),
        };
        let closing = self.to_client.send(Message::Close(Some(frame))).await;
        closing.expect("connected");
    }

    /// The next thing that the client says, offers and pings left out; `None` once it has gone.
    pub(crate) async fn hear(&mut self) -> Option<ClientMessage> {
        let hearing = self.from_client.recv();
        tokio::time::timeout(PATIENCE, hearing).await.expect("a word in time")
    }
}

/// What a client in `role` is greeted with.
pub(crate) fn welcome(role: Role) -> Welcome {
    let you = Participant {
        user_id: "you".parse().expect("an id"),
        username: "You".to_owned(),
        role,
        audio_enabled: false,
        video_enabled: false,
        audio_muted: false,
        video_muted: false,
        on_air: false,
        connection_quality: None,
    };
    Welcome {
        participants: vec![you.clone()],
        you,
        viewer_count: 3,
        mode: SessionMode::Camera,
        topology: Topology::Sfu,
        title: "Test".to_owned(),
        started_at: None,
        resume_token: "come-back".to_owned(),
        chat_history: Vec::new(),
        guest_requests: Vec::new(),
        slow_mode_seconds: 0,
        guest_limit: 10,
        background: None,
        ice_servers: Vec::new(),
    }
}

pub(super) async fn come_in(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<HashMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(seats) = shared.seats.lock().expect("not poisoned").clone() else {
        let body = r#"{"code":"full","message":"nobody is let in here"}"#;
        return (StatusCode::FORBIDDEN, body).into_response();
    };
    upgrade.on_upgrade(move |socket| async move {
        let (to_client, outgoing) = mpsc::channel(UNREAD);
        let (heard, from_client) = mpsc::channel(UNREAD);
        let seat = Seat {
            query,
            from_client,
            to_client,
        };
        if seats.send(seat).await.is_ok() {
            sit(socket, &shared, outgoing, heard).await;
        }
    })
}

async fn sit(
    mut socket: WebSocket,
    shared: &Shared,
    mut outgoing: mpsc::Receiver<Message>,
    heard: mpsc::Sender<ClientMessage>,
) {
    loop {
        tokio::select! {
            message = outgoing.recv() => match message {
                Some(message) => if socket.send(message).await.is_err() {
                    return;
                },
                None => return,
            },
            message = socket.recv() => {
                let text = match message {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                };
                match serde_json::from_str(&text).expect("a client's message") {
                    ClientMessage::Ping => {}
                    ClientMessage::WebrtcSignal {
                        connection: Some(Connection::Publish),
                        signal_type: SignalType::Offer,
                        signal_data: SignalData::Description(offer),
                        ..
                    } => {
                        let (peer, sdp) = Peer::answer(&offer.sdp, shared.path, UNREAD);
                        let answer = ServerMessage::new(answer(sdp), SystemTime::now());
                        let text = serde_json::to_string(&answer).expect("serialises");
                        shared.peers.send(peer).await.expect("the test takes connections");
                        if socket.send(Message::text(text)).await.is_err() {
                            return;
                        }
                    }
                    message => heard.send(message).await.unwrap_or_default(),
                }
            }
        }
    }
}

fn answer(sdp: String) -> ServerEvent {
    ServerEvent::WebrtcSignal {
        session_id: "show".parse().expect("an id"),
        connection: Some(Connection::Publish),
        from_user_id: None,
        from_username: None,
        to_user_id: "you".parse::<UserId>().expect("an id"),
        signal_type: SignalType::Answer,
        signal_data: SignalData::Description(SessionDescription { sdp }),
    }
}
