//! What a client sees when something was not done.
//!
//! Every error of the API is an [`ApiError`] as JSON with a fitting status. A 4xx names what was wrong with the request; a
//! 5xx says whether trying again makes sense (`Retry-After`). What only the operator can use goes to the log.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use footlight_protocol::ApiError;

use crate::auth::{CreationRefusal, TokenRefusal};
use crate::media::MediaError;
use crate::rooms::{JoinRefusal, PublishRefusal};
use crate::sessions::{AdmissionError, CreateError, IngestError};

/// When a client may try again: a second is long for an overloaded worker, and short for a person.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry: bool,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry: false,
        }
    }

    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// `limit` is the one that was in force, in bytes.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    pub(crate) fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            retry: true,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
        }
    }

    /// It may be otherwise in a moment, by itself: the show begins, or the publisher before this one is gone.
    fn soon(self) -> Self {
        Self { retry: true, ..self }
    }

    fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = ApiError {
            code: self.code.to_owned(),
            message: self.message,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if self.retry {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER.as_secs().into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6750 §3.
            let challenge = HeaderValue::from_static("Bearer realm=\"footlight\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        let message = error.to_string();
        match error {
            MediaError::BadOffer(_) => Self::bad_request("bad_offer", message),
            MediaError::CodecUnsupported(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "codec_unsupported", message)
            }
            MediaError::UnknownPeer => Self::not_found(message),
            MediaError::Unsupported(_) => Self::new(StatusCode::NOT_IMPLEMENTED, "unsupported", message),
            other => {
                tracing::warn!(error = %other, "media engine refused");
                Self::unavailable("overloaded", message)
            }
        }
    }
}

impl From<CreateError> for Failure {
    fn from(error: CreateError) -> Self {
        let message = error.to_string();
        match error {
            CreateError::TooMany => Self::unavailable("too_many_sessions", message),
            CreateError::Exists => Self::new(StatusCode::CONFLICT, "session_exists", message),
            CreateError::Unauthorized => Self::unauthorized(message),
            CreateError::Draining => Self::unavailable("shutting_down", message),
        }
    }
}

impl From<TokenRefusal> for Failure {
    fn from(refusal: TokenRefusal) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, refusal.code(), refusal.to_string())
    }
}

impl From<CreationRefusal> for Failure {
    fn from(refusal: CreationRefusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            CreationRefusal::KeyRequired => Self::new(StatusCode::UNAUTHORIZED, "api_key_required", message),
            CreationRefusal::UnknownKey => Self::unauthorized(message),
            CreationRefusal::Unnamed => Self::bad_request("session_id_required", message),
            CreationRefusal::NotHost => Self::new(StatusCode::FORBIDDEN, "not_host", message),
            CreationRefusal::Token(refusal) => refusal.into(),
        }
    }
}

impl From<AdmissionError> for Failure {
    fn from(error: AdmissionError) -> Self {
        let message = error.to_string();
        match error {
            AdmissionError::NotFound => Self::new(StatusCode::NOT_FOUND, "session_not_found", message),
            AdmissionError::Unauthorized => Self::unauthorized(message),
            AdmissionError::TokenRequired => Self::new(StatusCode::UNAUTHORIZED, "token_required", message),
            AdmissionError::Token(refusal) => refusal.into(),
            AdmissionError::Refused(JoinRefusal::Full) => Self::new(StatusCode::FORBIDDEN, "session_full", message),
            AdmissionError::Refused(JoinRefusal::Barred) => Self::new(StatusCode::FORBIDDEN, "removed", message),
            AdmissionError::Refused(JoinRefusal::Ended) => {
                Self::new(StatusCode::NOT_FOUND, "session_not_found", message)
            }
        }
    }
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        let message = error.to_string();
        match error {
            IngestError::NotFound => Self::new(StatusCode::NOT_FOUND, "session_not_found", message).soon(),
            IngestError::Unauthorized => Self::unauthorized(message),
            IngestError::Refused(refusal) => {
                let (status, code) = match refusal {
                    PublishRefusal::OnAir => return Self::new(StatusCode::CONFLICT, "on_air", message).soon(),
                    PublishRefusal::Ended => (StatusCode::CONFLICT, "session_ended"),
                    PublishRefusal::Mesh => (StatusCode::CONFLICT, "mesh"),
                    PublishRefusal::StageFull => (StatusCode::FORBIDDEN, "stage_full"),
                    PublishRefusal::NotOnStage | PublishRefusal::Barred => (StatusCode::FORBIDDEN, "forbidden"),
                };
                Self::new(status, code, message)
            }
            IngestError::Identity(error) => error.into(),
            IngestError::Creation(refusal) => refusal.into(),
            IngestError::NotPlayable(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "codec_unsupported", message),
            IngestError::NoVideo(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no_video", message),
            IngestError::Crowded(_) => Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connections", message).soon(),
            IngestError::Create(error) => error.into(),
            IngestError::Media(error) => error.into(),
        }
    }
}
