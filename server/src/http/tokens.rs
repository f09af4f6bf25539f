//! `/api/tokens`, for the operator's own programs.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use footlight_protocol::{CreateToken, TokenCreated};

use super::App;
use super::error::Failure;
use super::extract::{bearer, json_body};
use crate::auth::IssueError;

/// `POST /api/tokens`.
pub(super) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    request: Result<Json<CreateToken>, JsonRejection>,
) -> Result<Response, Failure> {
    let authority = &app.authority;
    if !authority.has_api_keys() {
        let message = "this server has no API keys, and therefore makes no tokens by HTTP: `auth.api_keys` sets them";
        return Err(Failure::new(StatusCode::NOT_FOUND, "tokens_disabled", message));
    }
    // The key comes before the body: what a stranger sends is not worth an answer.
    match bearer(&headers)? {
        Some(key) if authority.api_key_matches(&key) => {}
        Some(_) => return Err(unauthorized("this is no API key of this server")),
        None => return Err(unauthorized("making a token needs an API key as bearer")),
    }
    let request = json_body(request)?;
    let issued = authority.issue(request.into(), SystemTime::now())?;
    let created = TokenCreated {
        token: issued.token,
        user_id: issued.claims.user,
        expires_at: humantime::format_rfc3339_seconds(issued.claims.expires_at).to_string(),
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, no_store, Json(created)).into_response())
}

fn unauthorized(message: &str) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Lifetime => {
                let message = format!("expires_in: {error}");
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_expires_in", message)
            }
            // A server with API keys has a key to sign with, and so both are the server's own failure.
            IssueError::NoKey | IssueError::Signing(_) => {
                tracing::error!(%error, "no token could be made");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "not_signed",
                    "the token could not be signed",
                )
            }
        }
    }
}
