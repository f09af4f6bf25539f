//! `/api/sessions/{id}/background`: the picture behind the tiles of camera mode.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use super::App;
use super::api::unknown_session;
use super::error::Failure;
use super::extract::{Id, bearer};
use crate::sessions::{Background, BackgroundRefusal, IngestError, MAX_BACKGROUND_BYTES};

pub(super) fn routes() -> MethodRouter<App> {
    get(show)
        .put(replace)
        .delete(remove)
        .layer(DefaultBodyLimit::max(MAX_BACKGROUND_BYTES))
}

async fn show(State(app): State<App>, Id(id): Id) -> Result<Response, Failure> {
    let Background { bytes, media_type } = app
        .sessions
        .background(&id)
        .ok_or_else(|| Failure::not_found("this session has no background picture"))?;
    let headers = [
        (header::CONTENT_TYPE, media_type),
        // Each picture has an address of its own.
        (header::CACHE_CONTROL, "private, max-age=3600, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ];
    Ok((headers, bytes).into_response())
}

async fn replace(State(app): State<App>, Id(id): Id, request: Request) -> Result<StatusCode, Failure> {
    // Before any of the picture is read: strangers could have the server keep as many of them as they open connections.
    check_owner(&app, &id, request.headers())?;
    let bytes = Bytes::from_request(request, &app)
        .await
        .map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => refusal(BackgroundRefusal::TooLarge),
            status => Failure::new(status, "bad_body", rejection.body_text()),
        })?;
    let background = Background::new(bytes).map_err(refusal)?;
    set(&app, &id, Some(background))
}

async fn remove(State(app): State<App>, Id(id): Id, headers: HeaderMap) -> Result<StatusCode, Failure> {
    check_owner(&app, &id, &headers)?;
    set(&app, &id, None)
}

fn check_owner(app: &App, id: &footlight_protocol::SessionId, headers: &HeaderMap) -> Result<(), Failure> {
    if !app.sessions.contains(id) {
        return Err(unknown_session(id));
    }
    if bearer(headers)?.is_some_and(|bearer| app.sessions.owns(id, &bearer)) {
        return Ok(());
    }
    Err(IngestError::Unauthorized.into())
}

fn set(app: &App, id: &footlight_protocol::SessionId, background: Option<Background>) -> Result<StatusCode, Failure> {
    app.sessions
        .set_background(id, background)
        .ok_or_else(|| unknown_session(id))?
        .map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT)
}

fn refusal(refusal: BackgroundRefusal) -> Failure {
    let (status, code) = match refusal {
        BackgroundRefusal::NotAPicture => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_a_picture"),
        BackgroundRefusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        BackgroundRefusal::NotCameraMode => (StatusCode::CONFLICT, "not_camera_mode"),
    };
    Failure::new(status, code, refusal.to_string())
}
