//! `POST /whip/{id}` (RFC 9725) and `POST /whep/{id}` (draft-ietf-wish-whep), and the resources that they make.

use std::ops::RangeInclusive;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::error::Failure;
use super::extract::{ClientAddress, Id, Query, ReachedAt, bearer, is_content_type, parse_id};
use super::{App, MAX_BODY_BYTES, sdp_fragment};
use crate::config::links;
use crate::ice_servers::Reached;
use crate::sessions::{Negotiated, PublishRequest, Resource, ResourceKind, WatchRequest};

const SDP: &str = "application/sdp";
const SDP_FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// What may be said of a publisher besides its offer. Programs that speak WHIP have a field for the URL and no other.
#[derive(Debug, Deserialize)]
pub(super) struct PublishQuery {
    title: Option<String>,
    username: Option<String>,
}

/// What may be said of a player besides its offer.
#[derive(Debug, Deserialize)]
pub(super) struct WatchQuery {
    username: Option<String>,
    preview: Option<bool>,
    height: Option<ShownHeight>,
}

/// The height in which a player shows the picture, in device pixels.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct ShownHeight(u32);

impl ShownHeight {
    /// Of 8K: no screen has more. Whoever shows nothing has no need of a connection.
    const RANGE: RangeInclusive<u32> = 1..=4320;
}

impl TryFrom<String> for ShownHeight {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let pixels = text.parse().ok().filter(|pixels| Self::RANGE.contains(pixels));
        pixels.map(Self).ok_or_else(|| {
            let (least, most) = (Self::RANGE.start(), Self::RANGE.end());
            format!("`height` is a whole number of pixels from {least} to {most}")
        })
    }
}

/// A body of SDP.
pub(super) struct Offer(String);

impl<S: Send + Sync> FromRequest<S> for Offer {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if !is_content_type(request.headers(), SDP) {
            let message = format!("the body must be an SDP offer of content type {SDP}");
            return Err(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "content_type",
                message,
            ));
        }
        let offer = text_body(request, state).await?;
        if offer.trim().is_empty() {
            return Err(Failure::bad_request(
                "bad_offer",
                "the body is empty: the client offers and this server answers",
            ));
        }
        Ok(Self(offer))
    }
}

async fn text_body<S: Send + Sync>(request: Request, state: &S) -> Result<String, Failure> {
    let body = Bytes::from_request(request, state)
        .await
        .map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::too_large(MAX_BODY_BYTES),
            _ => Failure::bad_request("bad_body", rejection.body_text()),
        })?;
    String::from_utf8(body.into()).map_err(|_| Failure::bad_request("bad_body", "the body is not UTF-8"))
}

/// An offer whose sections send, where they would receive as well: a publisher gets nothing from here, and is answered
/// `recvonly` (RFC 9725 §4.2).
fn one_way(offer: &str) -> String {
    let lines = offer.lines().map(|line| match line {
        "a=sendrecv" => "a=sendonly",
        other => other,
    });
    lines.flat_map(|line| [line, "\r\n"]).collect()
}

/// Publishes.
pub(super) async fn publish(
    State(app): State<App>,
    Id(session): Id,
    Query(query): Query<PublishQuery>,
    (ClientAddress(address), ReachedAt(reached)): (ClientAddress, ReachedAt),
    headers: HeaderMap,
    Offer(offer): Offer,
) -> Result<Response, Failure> {
    let request = PublishRequest {
        session,
        bearer: bearer(&headers)?,
        title: query.title,
        username: query.username,
        address,
        offer: one_way(&offer),
    };
    Ok(created(&app, app.sessions.publish(request).await?, reached.as_ref()))
}

/// Watches.
pub(super) async fn watch(
    State(app): State<App>,
    Id(session): Id,
    Query(query): Query<WatchQuery>,
    (ClientAddress(address), ReachedAt(reached)): (ClientAddress, ReachedAt),
    headers: HeaderMap,
    Offer(offer): Offer,
) -> Result<Response, Failure> {
    let request = WatchRequest {
        session,
        bearer: bearer(&headers)?,
        username: query.username,
        preview: query.preview.unwrap_or(false),
        height: query.height.map(|ShownHeight(pixels)| pixels),
        address,
        offer,
    };
    Ok(created(&app, app.sessions.watch(request).await?, reached.as_ref()))
}

/// RFC 9725 §4.2.
fn created(app: &App, negotiated: Negotiated, reached: Option<&Reached>) -> Response {
    let Negotiated { answer, resource } = negotiated;
    let kind = match resource.kind {
        ResourceKind::Whip => "whip",
        ResourceKind::Whep => "whep",
    };
    let location = format!("/{kind}/{}/{}", resource.session, resource.name);
    let headers = [
        (header::CONTENT_TYPE, SDP.to_owned()),
        (header::LOCATION, location),
        (header::ETAG, resource.etag),
        (header::HeaderName::from_static("accept-patch"), SDP_FRAGMENT.to_owned()),
        // The answer holds this connection's own credentials.
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let mut response = (StatusCode::CREATED, headers, answer).into_response();
    let servers = app.sessions.ice_servers(reached);
    for link in servers.iter().flat_map(links) {
        // The configuration refuses what a header cannot hold.
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().append(header::LINK, link);
        }
    }
    response
}

/// `OPTIONS` of an endpoint or a resource: what may be sent there. CORS preflights are answered on the way here.
pub(super) async fn options() -> Response {
    let headers = [
        (header::HeaderName::from_static("accept-post"), SDP),
        (header::HeaderName::from_static("accept-patch"), SDP_FRAGMENT),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// The resource that a URL names.
pub(super) struct Named(Resource);

impl FromRequestParts<App> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let Path((session, name)) = Path::<(String, String)>::from_request_parts(parts, app)
            .await
            .map_err(|error| Failure::bad_request("bad_id", error.to_string()))?;
        let kind = if parts.uri.path().starts_with("/whip/") {
            ResourceKind::Whip
        } else {
            ResourceKind::Whep
        };
        let resource = app.sessions.resource(kind, &parse_id(session)?, &name);
        resource.map(Self).ok_or_else(|| {
            let ended = if parts.method == Method::DELETE {
                "already"
            } else {
                "meanwhile"
            };
            Failure::not_found(format!("there is no such connection; it may have ended {ended}"))
        })
    }
}

/// Ends a connection.
pub(super) async fn delete(State(app): State<App>, Named(resource): Named) -> StatusCode {
    app.sessions.close(&resource);
    StatusCode::OK
}

/// RFC 9725 prints the star of a restart in quotes in its example, and there are clients that write it so. No entity tag of
/// ours is a star.
fn unquoted_star(condition: &str) -> &str {
    if condition == "\"*\"" { "*" } else { condition }
}

/// Adds candidates, or restarts ICE (RFC 9725 §4.3).
pub(super) async fn patch(
    State(app): State<App>,
    Named(resource): Named,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Failure> {
    if !is_content_type(&headers, SDP_FRAGMENT) {
        let message = format!("a change must be of content type {SDP_FRAGMENT}");
        return Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_type",
            message,
        ));
    }
    let Some(condition) = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()) else {
        return Err(Failure::new(
            StatusCode::PRECONDITION_REQUIRED,
            "if_match_missing",
            "If-Match must name the connection's entity tag, or be * to restart ICE",
        ));
    };
    let fragment = sdp_fragment::parse(&text_body(request, &app).await?)
        .map_err(|error| Failure::bad_request("bad_fragment", error.to_string()))?;
    match (unquoted_star(condition.trim()), fragment.ufrag, fragment.pwd) {
        ("*", Some(ufrag), Some(pwd)) => {
            let (restart, etag) = app.sessions.restart_ice(&resource, ufrag, pwd).await?;
            app.sessions.trickle(&resource, fragment.candidates);
            let headers = [(header::CONTENT_TYPE, SDP_FRAGMENT.to_owned()), (header::ETAG, etag)];
            let body = sdp_fragment::restarted(&restart);
            Ok((StatusCode::OK, headers, body).into_response())
        }
        ("*", ..) => Err(Failure::bad_request(
            "bad_fragment",
            "an ICE restart brings a new ice-ufrag and ice-pwd",
        )),
        (tags, ..) if tags.split(',').any(|tag| tag.trim() == resource.etag) => {
            app.sessions.trickle(&resource, fragment.candidates);
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(Failure::new(
            StatusCode::PRECONDITION_FAILED,
            "if_match",
            "these candidates belong to an ICE session that is no longer the current one",
        )),
    }
}
