//! `/api/sessions` and what is asked of one session.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use footlight_protocol::{CreateSession, EndReason, SessionList, SessionStats, UserId};
use serde::Deserialize;

use super::App;
use super::error::Failure;
use super::extract::{Id, Query, bearer, json_body, origin};
use crate::config::TlsMode;

/// `GET /api/sessions`.
pub(super) async fn list(State(app): State<App>) -> impl IntoResponse {
    let sessions: Json<SessionList> = Json(app.sessions.list());
    ([(header::CACHE_CONTROL, "no-store")], sessions)
}

/// `POST /api/sessions`.
pub(super) async fn create(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    request: Result<Json<CreateSession>, JsonRejection>,
) -> Result<Response, Failure> {
    let request = json_body(request)?;
    // A host token that comes with its session's id proves who created that session; `Sessions::create` verifies it.
    if request.session_id.is_none() || request.host_token.is_none() {
        let (bearer, id) = (bearer(&headers)?, request.session_id.as_ref());
        app.authority.check_creation(bearer.as_deref(), id, SystemTime::now())?;
    }
    let origin = app
        .config
        .public_url
        .clone()
        .or_else(|| origin(&headers, &uri, app.config.tls != TlsMode::Off))
        .ok_or_else(|| Failure::bad_request("bad_host", "the Host header names no host"))?;
    let created = app.sessions.create(&request, |id| format!("{origin}/watch/{id}"))?;
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, no_store, Json(created)).into_response())
}

/// What may be asked besides what is on air.
#[derive(Debug, Deserialize)]
pub(super) struct StatsQuery {
    /// Whose connections to tell of.
    viewer: Option<UserId>,
}

/// `GET /ws/live/{id}/stats`.
pub(super) async fn stats(
    State(app): State<App>,
    Id(id): Id,
    Query(query): Query<StatsQuery>,
) -> Result<Json<SessionStats>, Failure> {
    let stats = app.sessions.stats(&id, query.viewer.as_ref()).await;
    stats.map(Json).ok_or_else(|| unknown_session(&id))
}

/// `POST /ws/live/{id}/end`.
pub(super) async fn end(State(app): State<App>, Id(id): Id, headers: HeaderMap) -> Result<StatusCode, Failure> {
    if !app.sessions.contains(&id) {
        return Err(unknown_session(&id));
    }
    let owner = bearer(&headers)?.is_some_and(|bearer| app.sessions.owns(&id, &bearer));
    if !owner {
        return Err(crate::sessions::IngestError::Unauthorized.into());
    }
    app.sessions.end(&id, EndReason::EndedByHost);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn unknown_session(id: &footlight_protocol::SessionId) -> Failure {
    let message = format!("there is no session {id}; it may have ended");
    Failure::new(StatusCode::NOT_FOUND, "session_not_found", message)
}
