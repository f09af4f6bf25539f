//! A server in the test's own process, with a media engine that is not the client's: str0m.

mod peer;
mod room;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use footlight_client::pipeline::{AudioSource, PipelineConfig, VideoSource};
use footlight_client::publish::{PublishConfig, SessionToken, State as PublishState, Status};
use footlight_client::trust::Trust;
use footlight_client::units::{Bitrate, Resolution};
use footlight_protocol::CreateSession;
use tokio::sync::{mpsc, watch};

pub(crate) use peer::{MediaPath, Peer, Received};
pub(crate) use room::{Seat, welcome};

/// The bearer token of every session here.
pub(crate) const TOKEN: &str = "host-token";

/// Nothing in these tests takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Units of media that a test may leave unread before the oldest test bug becomes visible as a missing one.
const UNREAD: usize = 4096;

/// A server that answers as it is told to.
pub(crate) struct FakeServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

struct Shared {
    path: MediaPath,
    /// Answers to give before media is taken, the next one first.
    refusals: Mutex<Vec<(StatusCode, Option<u32>)>>,
    offers: AtomicUsize,
    deleted: watch::Sender<Vec<String>>,
    ended: watch::Sender<bool>,
    peers: mpsc::Sender<Peer>,
    /// Where those who come into the room are shown to the test; nobody is let in without it.
    seats: Mutex<Option<mpsc::Sender<Seat>>>,
}

impl FakeServer {
    /// Serves at `at`; the receiver gets each connection as it is made.
    pub(crate) async fn start(
        at: &str,
        path: MediaPath,
        refusals: &[(u16, Option<u32>)],
    ) -> (Self, mpsc::Receiver<Peer>) {
        let listener = tokio::net::TcpListener::bind(at).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (peers, connections) = mpsc::channel(UNREAD);
        let status = |(code, after): &(u16, Option<u32>)| (StatusCode::from_u16(*code).expect("a status"), *after);
        let shared = Arc::new(Shared {
            path,
            refusals: Mutex::new(refusals.iter().rev().map(status).collect()),
            offers: AtomicUsize::new(0),
            deleted: watch::Sender::new(Vec::new()),
            ended: watch::Sender::new(false),
            peers,
            seats: Mutex::default(),
        });
        let app = Router::new()
            .route("/api/sessions", post(create))
            .route("/whip/{id}", post(offer))
            .route("/whip/{id}/{resource}", delete(hang_up))
            .route("/ws/live/{id}", get(room::come_in))
            .route("/ws/live/{id}/end", post(end))
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("serves");
        });
        let server = Self {
            address,
            shared,
            serving,
        };
        (server, connections)
    }

    /// Opens the room: each connection to it comes out of the receiver.
    pub(crate) fn open_room(&self) -> mpsc::Receiver<Seat> {
        let (sender, receiver) = mpsc::channel(UNREAD);
        *self.shared.seats.lock().expect("not poisoned") = Some(sender);
        receiver
    }

    /// Answers to give to the next offers, before media is taken again.
    pub(crate) fn refuse(&self, statuses: &[u16]) {
        let status = |code: &u16| (StatusCode::from_u16(*code).expect("a status"), None);
        *self.shared.refusals.lock().expect("not poisoned") = statuses.iter().rev().map(status).collect();
    }

    /// How often media was offered by WHIP.
    pub(crate) fn offers(&self) -> usize {
        self.shared.offers.load(Ordering::SeqCst)
    }

    /// Which resources were deleted.
    pub(crate) fn deleted(&self) -> Vec<String> {
        self.shared.deleted.borrow().clone()
    }

    /// Whether the session was ended.
    pub(crate) fn ended(&self) -> bool {
        *self.shared.ended.borrow()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn create(axum::Json(request): axum::Json<CreateSession>) -> Response {
    if request.session_id.is_some() {
        return (StatusCode::CONFLICT, r#"{"code":"exists","message":"there is one"}"#).into_response();
    }
    let created = serde_json::json!({
        "session_id": "show", "host_token": TOKEN, "watch_url": "http://server/watch/show"
    });
    (StatusCode::CREATED, axum::Json(created)).into_response()
}

async fn offer(State(shared): State<Arc<Shared>>, headers: HeaderMap, offer: String) -> Response {
    let count = shared.offers.fetch_add(1, Ordering::SeqCst);
    let refusal = shared.refusals.lock().expect("not poisoned").pop();
    if let Some((status, after)) = refusal {
        let body = serde_json::json!({"code": "scripted", "message": "as the test wants it"}).to_string();
        let mut response = (status, body).into_response();
        if let Some(seconds) = after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        return response;
    }
    if headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes) != Some(format!("Bearer {TOKEN}").as_bytes()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (peer, answer) = Peer::answer(&offer, shared.path, UNREAD);
    shared.peers.send(peer).await.expect("the test takes connections");
    let location = format!("/whip/show/{count}");
    (
        StatusCode::CREATED,
        [
            (header::CONTENT_TYPE, "application/sdp".to_owned()),
            (header::LOCATION, location),
            (header::ETAG, format!("\"{count}\"")),
        ],
        answer,
    )
        .into_response()
}

async fn hang_up(State(shared): State<Arc<Shared>>, Path((_, resource)): Path<(String, String)>) -> StatusCode {
    shared.deleted.send_modify(|deleted| deleted.push(resource));
    StatusCode::OK
}

async fn end(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.ended.send_replace(true);
    StatusCode::OK
}

/// A small test pattern with the tone, for the server at `address`.
pub(crate) fn config(address: SocketAddr) -> PublishConfig {
    PublishConfig {
        address: format!("http://{address}").parse().expect("an address"),
        resume: None,
        title: Some("Test".to_owned()),
        username: None,
        pipeline: PipelineConfig {
            video: Some(VideoSource::Pattern),
            audio: Some(AudioSource::Tone),
            size: Resolution::new(320, 180),
            fps: 30,
            max_bitrate: Bitrate::from_kbps(500),
            ..PipelineConfig::default()
        },
        trust: Trust::default(),
    }
}

/// The same, for a session that exists already.
pub(crate) fn resuming(address: SocketAddr) -> PublishConfig {
    PublishConfig {
        resume: Some(SessionToken {
            session: "show".parse().expect("an id"),
            token: TOKEN.to_owned(),
        }),
        ..config(address)
    }
}

/// Waits for a status that is wanted.
pub(crate) async fn reached(status: &mut watch::Receiver<Status>, wanted: PublishState) -> Status {
    let waiting = status.wait_for(|status| status.state == wanted);
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("never {wanted:?}"))
        .expect("the publisher reports")
        .clone()
}
