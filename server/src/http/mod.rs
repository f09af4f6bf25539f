//! Everything that is reached by HTTP: pages, WHIP and WHEP, the API, health and figures. The WebSocket begins here and
//! lives in [`socket`](crate::socket).

mod api;
mod background;
mod error;
mod extract;
mod forwarded;
mod health;
mod listener;
mod pages;
pub mod sdp_fragment;
mod tokens;
mod whip;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use tower_http::cors::{Any, CorsLayer};
use tower_http::timeout::TimeoutLayer;

pub(crate) use error::Failure;
pub(crate) use extract::{ClientAddress, Id, Query, ReachedAt};
pub(crate) use listener::ConnectionPermit;
pub use listener::{ListenError, Listener, Neighbors};

use crate::auth::Authority;
use crate::config::Config;
use crate::media::Media;
use crate::metrics::Metrics;
use crate::sessions::Sessions;
use crate::socket;

/// The largest request body, in bytes: an offer of Chromium's with ten sections for sound, of 1 kB each, and ten for pictures, of
/// 5 kB each.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a request may take from its head to its answer, its body included. The slowest thing that is waited for, a
/// media worker, gives up after 5 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a browser may remember that it may call us, in seconds (Fetch §4.9). Chromium takes at most two hours.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(2);

/// What every route needs.
#[derive(Debug, Clone)]
pub struct App {
    /// The sessions.
    pub sessions: Sessions,
    /// The media engine, for its figures.
    pub media: Media,
    /// The configuration.
    pub config: Arc<Config>,
    /// Who may do what.
    pub authority: Arc<Authority>,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Where this server listens for pages and signaling.
    pub port: u16,
}

/// All routes.
pub fn router(app: App) -> Router {
    // The ends of the wire that other programs and other sites' pages speak.
    let open = Router::new()
        .route("/whip/{id}", post(whip::publish).options(whip::options))
        .route("/whep/{id}", post(whip::watch).options(whip::options))
        // People end an address with a slash, and some programs do it for them.
        .route("/whip/{id}/", post(whip::publish).options(whip::options))
        .route("/whep/{id}/", post(whip::watch).options(whip::options))
        .route("/whip/{id}/{resource}", resource_routes())
        .route("/whep/{id}/{resource}", resource_routes())
        .route("/api/sessions", get(api::list).post(api::create))
        .route("/api/sessions/{id}/background", background::routes())
        .route("/ws/live/{id}/stats", get(api::stats))
        .route("/ws/live/{id}/end", post(api::end))
        .layer(cors())
        .layer(middleware::from_fn(announce_formats));
    Router::new()
        .merge(open)
        .route("/ws/live/{id}", get(socket::upgrade))
        // Asked by programs that hold an API key, which has no place in a page: no other site's page may ask.
        .route("/api/tokens", post(tokens::create))
        .merge(pages::routes())
        .layer(middleware::from_fn_with_state(app.clone(), refuse_while_draining))
        // Asked by whoever decides whether to send requests here, and therefore answered while draining.
        .merge(health::routes())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(pages::not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(refuse_announced_size))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            REQUEST_TIMEOUT,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

fn resource_routes() -> axum::routing::MethodRouter<App> {
    patch(whip::patch).delete(whip::delete).options(whip::options)
}

/// Anybody's page may publish and watch, as any program may: no cookie gives a right to anything, so that a foreign page can do
/// no more than what its own server could.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH])
        .expose_headers([
            header::LOCATION,
            header::LINK,
            header::ETAG,
            header::RETRY_AFTER,
            HeaderName::from_static("accept-patch"),
        ])
        .max_age(PREFLIGHT_MAX_AGE)
}

/// [`CorsLayer`] answers every `OPTIONS` itself; RFC 9725 §4.2 wants the formats in that answer as well.
async fn announce_formats(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let endpoint = path.starts_with("/whip/") || path.starts_with("/whep/");
    let asked = endpoint && request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    if asked {
        let headers = response.headers_mut();
        let formats = [
            ("accept-post", "application/sdp"),
            ("accept-patch", "application/trickle-ice-sdpfrag"),
        ];
        for (name, format) in formats {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(format));
        }
    }
    response
}

async fn refuse_while_draining(State(app): State<App>, request: Request, next: Next) -> Response {
    // A publisher or player that says good-bye is welcome to.
    if app.sessions.is_draining() && request.method() != Method::DELETE {
        return Failure::unavailable("shutting_down", "the server is shutting down").into_response();
    }
    next.run(request).await
}

/// A body that says itself that it is too large is refused before any of it is read.
async fn refuse_announced_size(request: Request, next: Next) -> Response {
    // A picture may be larger, and has a limit of its own.
    let limit = if request.method() == Method::PUT {
        crate::sessions::MAX_BACKGROUND_BYTES
    } else {
        MAX_BODY_BYTES
    };
    if request.body().size_hint().lower() > limit as u64 {
        return Failure::too_large(limit).into_response();
    }
    next.run(request).await
}

async fn method_not_allowed() -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this address does not take that method; the Allow header names those that it takes",
    )
}

/// Counts and logs. The route's pattern stands for the path: paths and query strings hold names, tokens and whatever
/// strangers make up.
async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    let status = response.status();
    app.metrics.count_request(route, &method, status);
    tracing::debug!(%method, route, status = status.as_u16(), "request");
    response
}
