//! Who is not let into a room hears why: with the same words by the WebSocket's handshake, of which browsers show a page
//! nothing, and by a plain request to the same address.

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use footlight_protocol::{ApiError, CreateSession, Role, SessionCreated};
use footlight_server::auth::Grant;
use footlight_server::config::AuthConfig;
use reqwest::StatusCode;
use serde_json::json;
use support::TestServer;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const API_KEY: &str = "the-key-of-the-test";

/// The status and the code with which both ways are refused.
async fn refused(server: &TestServer, path: &str, cookie: Option<&str>) -> (StatusCode, String) {
    let mut handshake = format!("ws://{}{path}", server.address)
        .into_client_request()
        .expect("a request");
    let mut plain = server.client.get(server.url(path));
    if let Some(cookie) = cookie {
        handshake
            .headers_mut()
            .insert("cookie", cookie.parse().expect("a header"));
        plain = plain.header("cookie", cookie);
    }
    let response = plain.send().await.expect("an answer");
    let status = response.status();
    assert_eq!(support::header(&response, "content-type"), "application/json");
    let by_request: ApiError = response.json().await.expect("JSON");
    assert!(!by_request.message.is_empty());
    match tokio_tungstenite::connect_async(handshake).await {
        Err(WsError::Http(response)) => {
            assert_eq!(response.status().as_u16(), status.as_u16(), "{path}");
            let body = response.body().as_deref().unwrap_or_default();
            let by_handshake: ApiError = serde_json::from_slice(body).expect("JSON");
            assert_eq!(by_handshake, by_request, "{path}");
        }
        other => panic!("not refused: {other:?}"),
    }
    (status, by_request.code)
}

async fn is_refused(server: &TestServer, path: &str, status: StatusCode, code: &str) {
    assert_eq!(refused(server, path, None).await, (status, code.to_owned()), "{path}");
}

fn path(session: &SessionCreated, query: &str) -> String {
    format!("/ws/live/{}?{query}", session.session_id)
}

#[tokio::test]
async fn unknown_and_full_sessions_are_told_apart() {
    let server = TestServer::start_with(|config| config.max_participants = 1);
    is_refused(&server, "/ws/live/nowhere", StatusCode::NOT_FOUND, "session_not_found").await;
    is_refused(&server, "/ws/live/no%20id", StatusCode::BAD_REQUEST, "bad_id").await;
    let session = server.create_session().await;
    let mut only = server.connect(&path(&session, "")).await;
    only.next_of("current_participants").await;
    is_refused(&server, &path(&session, ""), StatusCode::FORBIDDEN, "session_full").await;
}

#[tokio::test]
async fn who_was_removed_is_told_so() {
    let server = TestServer::start();
    let session = server.create_session().await;
    let mut host = server
        .connect(&path(&session, &format!("token={}", session.host_token)))
        .await;
    let cookie = "footlight_visitor=the-browser-of-the-test";
    let mut request = format!("ws://{}{}", server.address, path(&session, ""))
        .into_client_request()
        .expect("a request");
    request
        .headers_mut()
        .insert("cookie", cookie.parse().expect("a header"));
    let (stream, _) = tokio_tungstenite::connect_async(request)
        .await
        .expect("let in at first");
    let mut viewer = support::Socket(stream);
    let user = viewer.next_of("current_participants").await["you"]["user_id"].clone();
    host.send(&json!({"action": "participant_action", "action_type": "kick", "target_user_id": user}))
        .await;
    viewer.next_of("kicked").await;
    let answer = refused(&server, &path(&session, ""), Some(cookie)).await;
    assert_eq!(answer, (StatusCode::FORBIDDEN, "removed".to_owned()));
}

#[tokio::test]
async fn an_open_server_tells_a_token_of_another_session_from_none() {
    let server = TestServer::start();
    let (session, other) = (server.create_session().await, server.create_session().await);
    let query = format!("token={}", other.host_token);
    is_refused(
        &server,
        &path(&session, &query),
        StatusCode::UNAUTHORIZED,
        "unauthorized",
    )
    .await;
    let answer = server.get(&path(&session, "")).await;
    // Nothing but the handshake is missing.
    assert_eq!(support::error_of(answer).await.code, "websocket_expected");
}

#[tokio::test]
async fn tokens_that_are_missing_wrong_or_expired_are_told_apart() {
    let server = TestServer::start_with(|config| {
        config.auth = AuthConfig {
            api_keys: vec![API_KEY.into()],
            public_viewing: false,
            ..AuthConfig::default()
        };
    });
    let response = server
        .client
        .post(server.url("/api/sessions"))
        .bearer_auth(API_KEY)
        .json(&CreateSession::default())
        .send()
        .await;
    let session: SessionCreated = response.expect("an answer").json().await.expect("JSON");
    let authority = server.server.as_ref().expect("runs").authority();
    let token = |session: &str, made_at: SystemTime| {
        let grant = Grant {
            session: session.parse().expect("an id"),
            user: None,
            name: None,
            role: Role::Viewer,
            lifetime: Duration::from_mins(1),
        };
        authority.issue(grant, made_at).expect("issued").token
    };
    let own = session.session_id.to_string();
    let now = SystemTime::now();
    let (good, others) = (token(&own, now), token("elsewhere", now));
    let claims = good.rsplit_once('.').expect("three parts").0;
    let signature = others.rsplit_once('.').expect("three parts").1;
    for (query, code) in [
        (String::new(), "token_required"),
        (
            format!("token={}", token(&own, UNIX_EPOCH + Duration::from_hours(24))),
            "token_expired",
        ),
        (format!("token={others}"), "token_other_session"),
        (format!("token={claims}.{signature}"), "token_signature"),
        ("token=nonsense".to_owned(), "token_malformed"),
    ] {
        is_refused(&server, &path(&session, &query), StatusCode::UNAUTHORIZED, code).await;
    }
}
