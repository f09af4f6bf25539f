//! A server in the test's own process: WHIP for the publisher, and what it sends goes to the viewer.

mod relay;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use footlight_client::pipeline::{AudioSource, PipelineConfig, VideoSource};
use footlight_client::publish::{PublishConfig, Publisher};
use footlight_client::trust::Trust;
use footlight_client::units::{Bitrate, Resolution};

pub(crate) use relay::{Network, Relay};

/// Nothing in these tests takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server and somebody on air there.
pub(crate) struct Stage {
    pub(crate) relay: Arc<Relay>,
    publisher: Publisher,
    serving: tokio::task::JoinHandle<()>,
}

impl Stage {
    /// The test pattern and the tone, on their way to a viewer over `network`.
    pub(crate) async fn open(network: Network) -> Self {
        let relay = Arc::new(Relay::start(network));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let app = Router::new()
            .route("/api/sessions", post(create))
            .route("/whip/{id}", post(offer))
            .route("/whip/{id}/{resource}", delete(done))
            .route("/ws/live/{id}/end", post(done))
            .with_state(Arc::clone(&relay));
        let serving = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("serves");
        });
        let publisher = Publisher::start(config(address)).await.expect("starts");
        Self {
            relay,
            publisher,
            serving,
        }
    }

    pub(crate) async fn close(self) {
        self.publisher.stop().await.expect("ends well");
        self.serving.abort();
    }
}

async fn create() -> Response {
    let created = serde_json::json!({
        "session_id": "show", "host_token": "token", "watch_url": "http://server/watch/show"
    });
    (StatusCode::CREATED, axum::Json(created)).into_response()
}

async fn offer(State(relay): State<Arc<Relay>>, offer: String) -> Response {
    let answer = tokio::task::spawn_blocking(move || relay.publish(&offer))
        .await
        .expect("no panic");
    let headers = [
        (header::CONTENT_TYPE, "application/sdp"),
        (header::LOCATION, "/whip/show/1"),
    ];
    (StatusCode::CREATED, headers, answer).into_response()
}

async fn done() -> StatusCode {
    StatusCode::OK
}

fn config(address: SocketAddr) -> PublishConfig {
    PublishConfig {
        address: format!("http://{address}").parse().expect("an address"),
        resume: None,
        title: None,
        username: None,
        pipeline: PipelineConfig {
            video: Some(VideoSource::Pattern),
            audio: Some(AudioSource::Tone),
            size: Resolution::new(320, 180),
            fps: 30,
            max_bitrate: Bitrate::from_kbps(1_000),
            ..PipelineConfig::default()
        },
        trust: Trust::default(),
    }
}
