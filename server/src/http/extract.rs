//! Parts of a request that several routes read, each with an error in words.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use footlight_protocol::SessionId;
use serde::de::DeserializeOwned;

use super::App;
use super::error::Failure;
use super::forwarded::client_address;
use super::listener::PeerAddress;
use crate::auth::MAX_TOKEN_BYTES;
use crate::config::TlsMode;
use crate::ice_servers::Reached;

/// The `{id}` of a path.
pub(crate) struct Id(pub(crate) SessionId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| Failure::bad_request("bad_id", error.to_string()))?;
        parse_id(text).map(Self)
    }
}

/// Where a request comes from, as far as the proxies that are trusted say; `None` for one that came by no connection.
pub(crate) struct ClientAddress(pub(crate) Option<IpAddr>);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<PeerAddress>();
        let of = |PeerAddress(peer): &PeerAddress| client_address(*peer, &parts.headers, &app.config.trusted_proxies);
        Ok(Self(peer.map(of)))
    }
}

/// Where the client reached this server, for other protocols that it may speak to the same port. `None` where the request
/// does not tell.
pub(crate) struct ReachedAt(pub(crate) Option<Reached>);

impl FromRequestParts<App> for ReachedAt {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let config = &app.config;
        let came_by_proxy = parts.extensions.get::<PeerAddress>().is_none_or(|PeerAddress(peer)| {
            let peer = peer.to_canonical();
            // Without a list of proxies, a public address is a hint that one stands in front on this machine.
            config.trusted_proxies.iter().any(|network| network.contains(peer))
                || (config.public_url.is_some() && peer.is_loopback())
        });
        let public = config.public_url.as_deref().filter(|_| came_by_proxy);
        let asked = public.and_then(|url| url.parse::<Uri>().ok()?.authority().cloned());
        let Some(authority) = asked.or_else(|| authority(&parts.headers, &parts.uri)) else {
            return Ok(Self(None));
        };
        let usual = if config.tls == TlsMode::Off { 80 } else { 443 };
        Ok(Self(Some(Reached {
            host: authority.host().to_owned(),
            // A proxy passes on HTTP alone: what it listens on leads nobody else to this server.
            port: if came_by_proxy {
                app.port
            } else {
                authority.port_u16().unwrap_or(usual)
            },
        })))
    }
}

/// The query string; an unknown key is nobody's business, a value that makes no sense is an error.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let axum::extract::Query(query) = axum::extract::Query::from_request_parts(parts, state)
            .await
            .map_err(|error| Failure::bad_request("bad_query", error.body_text()))?;
        Ok(Self(query))
    }
}

/// Reads a session's id from a part of a path.
pub(crate) fn parse_id(text: String) -> Result<SessionId, Failure> {
    text.try_into()
        .map_err(|error: footlight_protocol::IdError| Failure::bad_request("bad_id", error.to_string()))
}

/// The bearer token (RFC 6750 §2.1); `None` where there is none. An empty one, as OBS sends for an empty field, is none.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let malformed = |message: &str| Failure::bad_request("bad_authorization", message);
    let text = value
        .to_str()
        .map_err(|_| malformed("the Authorization header is not plain text"))?;
    let (scheme, token) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(malformed(
            "the Authorization header must be of the form \"Bearer TOKEN\"",
        ));
    }
    let token = token.trim();
    if token.len() > MAX_TOKEN_BYTES {
        return Err(malformed("the bearer token is longer than any that this server takes"));
    }
    Ok((!token.is_empty()).then(|| token.to_owned()))
}

/// A body of JSON; the error names the field that is wrong.
pub(crate) fn json_body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Failure> {
    let Json(body) = body.map_err(|rejection| {
        let code = match rejection.status() {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "content_type",
            StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            _ => "bad_json",
        };
        Failure::new(rejection.status(), code, rejection.body_text())
    })?;
    Ok(body)
}

/// Whether the body is of this media type, whatever its parameters (RFC 9110 §8.3.1).
pub(crate) fn is_content_type(headers: &HeaderMap, expected: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(expected))
}

/// The address under which the client reached the server, `https://host:port`. `Host` comes from the client and ends up
/// in a link, so that only what is an authority (RFC 3986 §3.2) is taken from it.
pub(crate) fn origin(headers: &HeaderMap, uri: &Uri, tls: bool) -> Option<String> {
    let authority = authority(headers, uri)?;
    let scheme = if tls { "https" } else { "http" };
    Some(format!("{scheme}://{authority}"))
}

fn authority(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let authority: Authority = match host {
        Some(host) => host.parse().ok()?,
        None => uri.authority()?.clone(),
    };
    (!authority.as_str().contains('@')).then_some(authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_bearer_is_read_as_programs_write_it() {
        let read = |value| bearer(&with(header::AUTHORIZATION, value));
        assert_eq!(read("Bearer abc").expect("valid").as_deref(), Some("abc"));
        assert_eq!(read("bearer  abc ").expect("valid").as_deref(), Some("abc"));
        assert_eq!(read("Bearer ").expect("empty"), None);
        assert_eq!(read("Bearer").expect("empty"), None);
        assert!(read("Basic abc").is_err());
        assert_eq!(bearer(&HeaderMap::new()).expect("none"), None);
    }

    #[test]
    fn parameters_of_a_content_type_do_not_matter() {
        let is_sdp = |value| is_content_type(&with(header::CONTENT_TYPE, value), "application/sdp");
        assert!(is_sdp("application/sdp"));
        assert!(is_sdp("Application/SDP; charset=utf-8"));
        assert!(!is_sdp("application/sdpfrag"));
        assert!(!is_content_type(&HeaderMap::new(), "application/sdp"));
    }

    #[test]
    fn a_strange_host_makes_no_link() {
        let uri = Uri::from_static("/");
        let of = |value| origin(&with(header::HOST, value), &uri, true);
        assert_eq!(of("[::1]:8443").as_deref(), Some("https://[::1]:8443"));
        assert_eq!(of("user@evil"), None);
        assert_eq!(of("a/b"), None);
        assert_eq!(of("a\"b"), None);
    }
}
