//! `/ws/live/{id}`: the room, and the signaling of a participant's two connections.

mod connection;
mod flood;
mod message;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use footlight_protocol::MAX_FRAME_BYTES;
use serde::Deserialize;

use crate::config::TlsMode;
use crate::http::{App, ClientAddress, ConnectionPermit, Failure, Id, Query, ReachedAt};
use crate::sessions::Entrance;
use crate::token::unguessable_name;

#[derive(Deserialize)]
pub(crate) struct JoinQuery {
    token: Option<String>,
    username: Option<String>,
    resume_token: Option<String>,
    title: Option<String>,
}

/// What is read at once, in bytes. tungstenite sets this much aside for each connection, and clears it again whenever the
/// connection's task wakes, be it to send: with its default of 128 KiB, two thousand viewers are 256 MiB, and clearing that
/// for each event costs more than sending it. What people say has a few hundred bytes, and an SDP offer, which may be
/// longer, is put together.
const READ_BUFFER_BYTES: usize = 2 * 1024;

/// Messages that are sent together are handed to the system when they are this many bytes; what a busy room says in a
/// moment is less. With tungstenite's default of 128 KiB, all that waits for somebody who reads slowly would be copied into
/// a buffer that the connection then keeps.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;

/// The cookie by which a browser is recognised that was sent away, and nothing else: it gives no right to anything.
const VISITOR: &str = "footlight_visitor";

/// Longest value of that cookie that is looked at; ours have 22 characters.
const MAX_VISITOR_BYTES: usize = 64;

/// How long a browser keeps it, in seconds: no session is longer than a day or two.
const VISITOR_MAX_AGE: u32 = 7 * 24 * 3600;

/// What the browser calls itself (RFC 6265 §5.4).
fn visitor(headers: &HeaderMap) -> Option<String> {
    let pairs = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == VISITOR && (1..=MAX_VISITOR_BYTES).contains(&value.len()))
        .map(|(_, value)| value.to_owned())
}

/// Answers the handshake. Whoever may not come in hears why by plain HTTP, before the upgrade.
pub(crate) async fn upgrade(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<JoinQuery>,
    headers: HeaderMap,
    (ClientAddress(address), ReachedAt(reached)): (ClientAddress, ReachedAt),
    permit: Option<Extension<ConnectionPermit>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    // An empty token is what a page sends that has none.
    let token = query.token.as_deref().filter(|token| !token.is_empty());
    let known = visitor(&headers);
    let new = known.is_none().then(unguessable_name);
    let entrance = Entrance {
        token,
        username: query.username.as_deref(),
        resume_token: query.resume_token.as_deref().filter(|token| !token.is_empty()),
        title: query.title.as_deref(),
        visitor: known.as_deref().or(new.as_deref()),
        address,
        reached: reached.as_ref(),
    };
    let admission = app.sessions.admit(&id, &entrance)?;
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
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .max_message_size(MAX_FRAME_BYTES)
        .on_upgrade(async move |socket| {
            connection::run(socket, admission).await;
            // Held until here, because a WebSocket counts as a connection for as long as it lasts.
            drop(permit);
        });
    let mut answer = answer.into_response();
    if let Some(name) = new {
        let secure = if app.config.tls == TlsMode::Off { "" } else { "; Secure" };
        let cookie =
            format!("{VISITOR}={name}; Path=/ws/live; HttpOnly; SameSite=Lax; Max-Age={VISITOR_MAX_AGE}{secure}");
        // Base 64 and our own words are plain text.
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            answer.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    Ok(answer)
}
