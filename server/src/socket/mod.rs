//! `/ws/live/{id}`: presence, and the signaling of a participant's two connections.

mod connection;
mod flood;
mod message;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::{IntoResponse, Response};
use footlight_protocol::MAX_FRAME_BYTES;
use serde::Deserialize;

use crate::http::{App, ConnectionPermit, Failure, Id, Query};

#[derive(Deserialize)]
pub(crate) struct JoinQuery {
    token: Option<String>,
    username: Option<String>,
}

/// Answers the handshake. Whoever may not come in hears why by plain HTTP, before the upgrade.
pub(crate) async fn upgrade(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<JoinQuery>,
    permit: Option<Extension<ConnectionPermit>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    // An empty token is what a page sends that has none.
    let token = query.token.as_deref().filter(|token| !token.is_empty());
    let admission = app.sessions.admit(&id, token, query.username.as_deref())?;
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            return Err(Failure::new(
                rejection.status(),
                "websocket_expected",
                format!("this address is a WebSocket: {}", rejection.body_text()),
            ));
        }
    };
    let answer = upgrade
        .max_frame_size(MAX_FRAME_BYTES)
        .max_message_size(MAX_FRAME_BYTES)
        .on_upgrade(async move |socket| {
            connection::run(socket, admission).await;
            // Held until here, because a WebSocket counts as a connection for as long as it lasts.
            drop(permit);
        });
    Ok(answer.into_response())
}
