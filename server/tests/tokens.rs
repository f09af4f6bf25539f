//! API keys and tokens: by HTTP, and by the command.

mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use footlight_protocol::{Role, SessionCreated, SessionId, TokenCreated};
use footlight_server::auth::{Authority, Claims};
use footlight_server::config::AuthConfig;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use support::{TestServer, error_of, header, publish_offer, watch_offer};

const API_KEY: &str = "an-api-key-of-the-test";

fn closed() -> TestServer {
    TestServer::start_with(|config| {
        config.auth = AuthConfig {
            api_keys: vec![API_KEY.into()],
            ..AuthConfig::default()
        };
    })
}

async fn post(server: &TestServer, path: &str, bearer: Option<&str>, body: &Value) -> Response {
    let request = server.client.post(server.url(path)).json(body);
    let request = match bearer {
        Some(bearer) => request.bearer_auth(bearer),
        None => request,
    };
    request.send().await.expect("an answer")
}

async fn token(server: &TestServer, body: &Value) -> TokenCreated {
    let response = post(server, "/api/tokens", Some(API_KEY), body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    response.json().await.expect("JSON")
}

fn authority(server: &TestServer) -> &Authority {
    server.server.as_ref().expect("runs").authority()
}

fn verify(server: &TestServer, token: &str, session: &str) -> Claims {
    let session: SessionId = session.parse().expect("an id");
    let claims = authority(server).verify(token, &session, SystemTime::now());
    claims.expect("the token is good")
}

#[tokio::test]
async fn an_api_key_makes_a_token() {
    let server = closed();
    let body =
        json!({"session_id": "show", "user_id": "ada", "username": " Ada\n", "role": "cohost", "expires_in": 60});
    let response = post(&server, "/api/tokens", Some(API_KEY), &body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(header(&response, "cache-control"), "no-store");
    let created: TokenCreated = response.json().await.expect("JSON");
    let claims = verify(&server, &created.token, "show");
    assert_eq!((claims.user.as_str(), claims.name.as_str()), ("ada", "Ada"));
    assert_eq!((claims.role, created.user_id), (Role::Cohost, claims.user));
    let expires_at = humantime::parse_rfc3339(&created.expires_at).expect("RFC 3339");
    assert_eq!(expires_at, claims.expires_at);
    assert!(expires_at <= SystemTime::now() + Duration::from_mins(1));
}

#[tokio::test]
async fn a_token_for_nobody_in_particular_is_that_of_a_viewer() {
    let server = closed();
    let body = json!({"session_id": "show"});
    let (first, second) = (token(&server, &body).await, token(&server, &body).await);
    assert_ne!(first.user_id, second.user_id);
    let claims = verify(&server, &first.token, "show");
    assert_eq!((claims.role, claims.name.as_str()), (Role::Viewer, "Anonymous"));
}

#[tokio::test]
async fn without_an_api_key_there_is_no_token() {
    let server = closed();
    let body = json!({"session_id": "show", "role": "host"});
    let viewer = token(&server, &json!({"session_id": "show"})).await.token;
    for bearer in [None, Some("an-api-key-of-the-tesT"), Some(viewer.as_str())] {
        let response = post(&server, "/api/tokens", bearer, &body).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{bearer:?}");
        assert!(header(&response, "www-authenticate").starts_with("Bearer"));
        assert_eq!(error_of(response).await.code, "unauthorized");
    }
    // Not even an answer to what is wrong with the body.
    let response = post(&server, "/api/tokens", None, &json!({})).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_field_that_is_wrong_is_named() {
    let server = closed();
    for (body, field) in [
        (json!({}), "session_id"),
        (json!({"session_id": "a/b"}), "session_id"),
        (json!({"session_id": "show", "user_id": ""}), "user_id"),
        (json!({"session_id": "show", "role": "admin"}), "role"),
        (json!({"session_id": "show", "username": 7}), "username"),
        (json!({"session_id": "show", "expires_in": -1}), "expires_in"),
        (json!({"session_id": "show", "expires_in": 0}), "expires_in"),
        (json!({"session_id": "show", "expires_in": 2_592_001}), "expires_in"),
    ] {
        let response = post(&server, "/api/tokens", Some(API_KEY), &body).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let error = error_of(response).await;
        assert!(error.message.contains(field), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn another_sites_page_may_not_ask_for_tokens() {
    let server = closed();
    let path = server.url("/api/tokens");
    let request = server.client.post(path).header("origin", "https://elsewhere.example");
    let response = request.bearer_auth(API_KEY).json(&json!({"session_id": "show"})).send();
    let response = response.await.expect("an answer");
    assert!(!response.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn an_open_server_makes_no_tokens_and_asks_for_none() {
    let server = TestServer::start();
    assert!(authority(&server).is_open());
    let response = post(&server, "/api/tokens", Some(API_KEY), &json!({"session_id": "show"})).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let error = error_of(response).await;
    assert_eq!(error.code, "tokens_disabled");
    assert!(error.message.contains("auth.api_keys"), "{}", error.message);
    server.create_session().await;
}

#[tokio::test]
async fn a_closed_server_creates_sessions_for_keys_and_hosts_alone() {
    let server = closed();
    // The longest ids, so that the token is longer than a stream key may be.
    let id = "s".repeat(64);
    let host = json!({"session_id": id, "username": "🔥".repeat(40), "user_id": "u".repeat(64), "role": "host"});
    let host = token(&server, &host).await.token;
    assert!(host.len() > 512, "{}", host.len());
    let guest = token(&server, &json!({"session_id": id, "role": "guest"})).await.token;
    let show = json!({"session_id": id});
    for (bearer, body, status, code) in [
        (None, &show, 401, "api_key_required"),
        (Some("wrong"), &show, 401, "unauthorized"),
        (Some(guest.as_str()), &show, 403, "not_host"),
        (Some(&host), &json!({}), 400, "session_id_required"),
        (Some(&host), &json!({"session_id": "other"}), 401, "token_other_session"),
        (
            None,
            &json!({"session_id": id, "host_token": "forged"}),
            401,
            "unauthorized",
        ),
        (None, &json!({"host_token": "forged"}), 401, "api_key_required"),
    ] {
        let response = post(&server, "/api/sessions", bearer, body).await;
        assert_eq!(response.status().as_u16(), status, "{body}");
        assert_eq!(error_of(response).await.code, code, "{body}");
    }
    let response = post(&server, "/api/sessions", Some(&host), &show).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let created: SessionCreated = response.json().await.expect("JSON");
    // Whoever created it comes back with the proof of that, as after a restart.
    let back = json!({"session_id": id, "host_token": created.host_token});
    let response = post(&server, "/api/sessions", None, &back).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let response = post(&server, "/api/sessions", Some(API_KEY), &json!({})).await;
    assert_eq!(response.status(), StatusCode::CREATED);
}

/// `footlight-server token` beside a server with this data folder.
fn command(data_dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_footlight-server"));
    command.arg("token").arg("--data-dir").arg(data_dir).args(arguments);
    command.env_clear().env("HOME", data_dir);
    command.output().expect("starts")
}

fn errors(output: &Output) -> String {
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "standard output is for the token alone");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn the_command_makes_a_token_that_the_server_takes() {
    let server = closed();
    let config = server.server.as_ref().expect("runs").config();
    let data_dir = config.data_dir.as_deref().expect("a folder");
    let arguments = [
        "--auth-api-keys",
        API_KEY,
        "--session",
        "show",
        "--user",
        "ada",
        "--name",
        "Ada",
        "--role",
        "host",
        "--expires",
        "90min",
    ];
    let output = command(data_dir, &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let token = printed.strip_suffix('\n').expect("a line");
    let claims = verify(&server, token, "show");
    assert_eq!((claims.user.as_str(), claims.name.as_str()), ("ada", "Ada"));
    assert_eq!(claims.role, Role::Host);
    assert!(claims.expires_at <= SystemTime::now() + Duration::from_mins(90));
    assert!(claims.expires_at > SystemTime::now() + Duration::from_hours(1));
}

#[tokio::test]
async fn the_command_reads_the_configuration_of_the_data_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = "a secret of the test, 32 bytes long or more";
    let file = folder.path().join("secret");
    std::fs::write(&file, secret).expect("writes");
    #[cfg(unix)]
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("changes");
    let config = format!("[auth]\nsecret_file = {file:?}\n");
    std::fs::write(folder.path().join("footlight.toml"), config).expect("writes");
    let output = command(folder.path(), &["--session", "show"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let server = TestServer::start_with(|config| {
        config.auth.secret = Some(footlight_server::config::SecretSource::Text(secret.into()));
    });
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(verify(&server, printed.trim(), "show").role, Role::Viewer);
}

#[test]
fn the_command_says_why_it_makes_no_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| errors(&command(folder.path(), arguments));
    let open = run(&["--session", "show"]);
    assert!(open.contains("auth.api_keys"), "{open}");
    let early = run(&["--session", "show", "--auth-api-keys", API_KEY]);
    assert!(early.contains("token.key"), "{early}");
    let secret = ["--auth-secret", "a secret of the test, 32 bytes long or more"];
    for (arguments, word) in [
        (vec![], "--session"),
        (vec!["--session", "a/b"], "letters, digits"),
        (vec!["--session", "show", "--role", "admin"], "cohost"),
        (vec!["--session", "show", "--expires", "soon"], "--expires"),
        (vec!["--session", "show", "--expires", "31days"], "30 days"),
        (vec!["--session", "show", "--expires", "0s"], "a second at least"),
    ] {
        let error = run(&[arguments.as_slice(), &secret].concat());
        assert!(error.contains(word), "{error}");
    }
}

#[tokio::test]
async fn who_was_sent_away_does_not_watch_by_the_same_token() {
    let server = closed();
    let created = post(&server, "/api/sessions", Some(API_KEY), &json!({})).await;
    let session: SessionCreated = created.json().await.expect("JSON");
    let id = &session.session_id;
    let path = format!("/ws/live/{id}?token={}", session.host_token);
    let mut host = server.connect(&path).await;
    host.next_of("current_participants").await;
    let ada = token(&server, &json!({"session_id": id, "user_id": "ada"})).await.token;
    let path = format!("/whep/{id}");
    let watch = async || {
        let request = server.offer(&path, watch_offer()).bearer_auth(&ada);
        request.send().await.expect("an answer")
    };
    assert_eq!(watch().await.status(), StatusCode::CREATED);
    let player = host.next_of("user_joined").await["user_id"].clone();
    host.send(&json!({"action": "participant_action", "action_type": "kick", "target_user_id": player}))
        .await;
    host.next_of("user_left").await;
    let refused = watch().await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(error_of(refused).await.code, "removed");
    let (status, _) = server.refused(&format!("/ws/live/{id}?token={ada}")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_guest_is_told_that_the_session_is_full_before_the_offer_is_taken() {
    let server = TestServer::start_with(|config| {
        config.max_participants = 1;
        config.auth.api_keys = vec![API_KEY.into()];
    });
    let created = post(&server, "/api/sessions", Some(API_KEY), &json!({})).await;
    let session: SessionCreated = created.json().await.expect("JSON");
    let id = &session.session_id;
    let mut viewer = server.connect(&format!("/ws/live/{id}")).await;
    viewer.next_of("current_participants").await;
    let guest = json!({"session_id": id, "user_id": "ada", "role": "guest"});
    let guest = token(&server, &guest).await.token;
    let request = server.offer(&format!("/whip/{id}"), publish_offer()).bearer_auth(guest);
    let refused = request.send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(error_of(refused).await.code, "session_full");
}
