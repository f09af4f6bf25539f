//! Pictures of the chosen server, for elements and styles of the pages: those cannot call commands.

use std::borrow::Cow;

use tauri::http::{HeaderValue, Request, Response, StatusCode, header};
use tauri::{Manager as _, Runtime, UriSchemeContext, UriSchemeResponder};

use crate::connection;
use crate::failure::Failure;
use crate::state::AppState;
use crate::window;

/// The scheme: `server://localhost/…` on Linux and Apple's systems, `http://server.localhost/…` elsewhere.
pub(crate) const SCHEME: &str = "server";

/// Pictures that the server takes, and therefore gives.
const TYPES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

/// Answers a request for a picture; its path is that on the server, percent-encoded as a whole.
pub(crate) fn answer<R: Runtime>(
    context: &UriSchemeContext<'_, R>,
    request: &Request<Vec<u8>>,
    responder: UriSchemeResponder,
) {
    if context.webview_label() != window::LABEL {
        responder.respond(without_body(StatusCode::FORBIDDEN));
        return;
    }
    let app = context.app_handle().clone();
    let path = path_in(request.uri().path());
    tauri::async_runtime::spawn(async move {
        let state = app.state::<AppState>();
        let answer = match path {
            Some(path) => picture(&state, &path).await,
            None => Err(Failure::invalid("This is no picture.")),
        };
        responder.respond(answer.unwrap_or_else(|failure| {
            tracing::debug!(%failure, "no picture");
            without_body(StatusCode::NOT_FOUND)
        }));
    });
}

async fn picture(state: &AppState, path: &str) -> Result<Response<Cow<'static, [u8]>>, Failure> {
    let answer = state.connection()?.ask(connection::Request::get(path)).await?;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let kind = answer.headers.iter().find(|(name, _)| name == "content-type");
    let Some(kind) = kind.and_then(|(_, value)| TYPES.into_iter().find(|kind| kind == value)) else {
        return Ok(without_body(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    };
    let mut response = Response::new(Cow::Owned(answer.body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// The server's path of a background picture in the path of a request; `None` for anything else.
fn path_in(requested: &str) -> Option<String> {
    let encoded = requested.strip_prefix('/')?;
    let path = percent_encoding::percent_decode_str(encoded).decode_utf8().ok()?;
    let path = format!("/{path}");
    let (session, rest) = path.strip_prefix("/api/sessions/")?.split_once("/background")?;
    let names_one = session.parse::<footlight_protocol::SessionId>().is_ok();
    (names_one && (rest.is_empty() || rest.starts_with('?'))).then_some(path)
}

fn without_body(status: StatusCode) -> Response<Cow<'static, [u8]>> {
    let mut response = Response::new(Cow::Borrowed(&[][..]));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_background_is_found_and_nothing_else_is() {
        let path = "/api/sessions/show/background?v=7";
        assert_eq!(
            path_in("/api%2Fsessions%2Fshow%2Fbackground%3Fv%3D7").as_deref(),
            Some(path)
        );
        for other in [
            "/",
            "/api%2Fsessions",
            "/api%2Fsessions%2Fshow%2Fbackground%2Fx",
            "/api%2Fsessions%2F..%2Fbackground",
            "/api%2Fsessions%2Fa%2Fb%2Fbackground",
            "/%2Felsewhere%2Fapi%2Fsessions%2Fshow%2Fbackground",
            "/%ff",
        ] {
            assert_eq!(path_in(other), None, "{other}");
        }
    }
}
