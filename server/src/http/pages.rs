//! The pages: the user interface that was built into the program, and words for what is not there.

use std::borrow::Cow;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::{App, Failure};

/// The built user interface. In a development build it is read from the folder at each request, so that the server need not
/// be built again for a changed page.
#[derive(RustEmbed)]
#[folder = "../client-ui/dist"]
#[allow_missing = true]
struct Interface;

/// The interface's one page, whose script draws what the path names.
const INDEX: &str = "index.html";

/// Where Vite puts files whose name holds a hash of their content.
const HASHED_FOLDER: &str = "assets/";

/// What the interface may load and reach: itself and this server. `blob:` is how recorded and played media are addressed.
/// Components set sizes and positions by script, through the CSSOM, which `style-src` does not bind.
const INTERFACE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob:; font-src 'self'; media-src 'self' blob:; connect-src 'self' ws: wss:; \
    worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// What a page of words alone may do: look as its own style element says.
const WORDS_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

const NO_INTERFACE: &str = include_str!("no_interface.html");
const NOT_FOUND: &str = include_str!("not_found.html");

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(home))
        .route("/live", get(interface))
        .route("/watch/{id}", get(interface))
        .route("/stream", get(interface))
        .route("/stream/{id}", get(interface))
        .route("/live-streams", get(async || Redirect::permanent("/live")))
        .route("/mobile-stream.html", get(async || Redirect::permanent("/stream")))
}

/// Bookmarks of an earlier time have their page in the query.
async fn home(uri: Uri, headers: HeaderMap) -> Response {
    let asks = |key: &str| {
        uri.query()
            .is_some_and(|query| query.split('&').any(|part| part.starts_with(key)))
    };
    if asks("broadcaster=") {
        return Redirect::permanent("/stream").into_response();
    }
    if asks("viewer=") {
        return Redirect::permanent("/").into_response();
    }
    interface(headers).await
}

async fn interface(headers: HeaderMap) -> Response {
    match Interface::get(INDEX) {
        Some(file) => with_policy(INTERFACE_POLICY, asset(INDEX, file, &headers)),
        None => words(StatusCode::SERVICE_UNAVAILABLE, NO_INTERFACE),
    }
}

/// Whatever no route takes: a file of the interface, or nothing, said in the form that the client asked for.
pub(super) async fn not_found(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if matches!(method, Method::GET | Method::HEAD)
        && path != INDEX
        && let Some(file) = Interface::get(path)
    {
        return with_policy(INTERFACE_POLICY, asset(path, file, &headers));
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        return words(StatusCode::NOT_FOUND, NOT_FOUND);
    }
    Failure::not_found("there is nothing at this address").into_response()
}

fn asset(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..16]));
    // A hashed name never changes its content; everything else is asked for again each time, which costs a 304.
    let cache_control = if path.starts_with(HASHED_FOLDER) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let validators = [
        (header::CACHE_CONTROL, cache_control.to_owned()),
        (header::ETAG, etag.clone()),
    ];
    if known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == etag)) {
        return (StatusCode::NOT_MODIFIED, validators).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, file.metadata.mimetype().to_owned())];
    let body = match file.data {
        Cow::Borrowed(bytes) => axum::body::Body::from(bytes),
        Cow::Owned(bytes) => axum::body::Body::from(bytes),
    };
    (validators, content_type, body).into_response()
}

fn words(status: StatusCode, page: &'static str) -> Response {
    with_policy(WORDS_POLICY, (status, Html(page)).into_response())
}

fn with_policy(content: &'static str, mut response: Response) -> Response {
    let policy = [
        (header::CONTENT_SECURITY_POLICY, content),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // A watch page's address is all that an unlisted stream is protected by.
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in policy {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
