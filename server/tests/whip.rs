//! `POST /whip/{id}` and its resources, as RFC 9725 has them.

mod support;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use support::{TestServer, error_of, header, publish_offer};

const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const CANDIDATE: &str = "a=mid:0\r\na=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host\r\n";
const RESTART: &str = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n";

#[tokio::test]
async fn an_offer_is_answered_with_everything_that_the_rfc_asks_for() {
    let server = TestServer::start_with(|config| {
        config.ice_servers = vec!["stun:stun.example.net".parse().expect("a server")];
    });
    let response = server.publish("show").await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(header(&response, "content-type"), "application/sdp");
    assert!(header(&response, "location").starts_with("/whip/show/"));
    let etag = header(&response, "etag");
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2, "{etag}");
    assert_eq!(header(&response, "link"), "<stun:stun.example.net>; rel=\"ice-server\"");
    let links: Vec<_> = response.headers().get_all("link").iter().collect();
    let relay = format!(
        "<turn:{}?transport=tcp>; rel=\"ice-server\"; username=\"",
        server.address
    );
    let last = links.last().and_then(|link| link.to_str().ok()).expect("text");
    assert!(
        last.starts_with(&relay) && last.ends_with("; credential-type=\"password\""),
        "{last}"
    );
    let answer = response.text().await.expect("text");
    assert!(answer.starts_with("v=0\r\n"), "{answer}");
}

#[tokio::test]
async fn a_connection_is_ended_by_delete_and_then_gone() {
    let server = TestServer::start();
    let response = server.publish("show").await;
    let location = server.url(&header(&response, "location"));
    let delete = async || {
        server
            .client
            .delete(&location)
            .send()
            .await
            .expect("an answer")
            .status()
    };
    assert_eq!(delete().await, StatusCode::OK);
    assert_eq!(delete().await, StatusCode::NOT_FOUND);
    assert_eq!(
        server.publish("show").await.status(),
        StatusCode::CREATED,
        "and the session is free again"
    );
}

#[tokio::test]
async fn a_session_has_one_anonymous_publisher_at_a_time() {
    let server = TestServer::start();
    assert_eq!(server.publish("show").await.status(), StatusCode::CREATED);
    let second = server.publish("show").await;
    assert_eq!(second.status(), StatusCode::CONFLICT);
    assert!(header(&second, "retry-after").parse::<u32>().is_ok());
    assert_eq!(error_of(second).await.code, "on_air");
}

#[tokio::test]
async fn the_owner_replaces_an_older_connection() {
    let server = TestServer::start();
    let session = server.create_session().await;
    let path = format!("/whip/{}", session.session_id);
    let publish = async || {
        let request = server.offer(&path, publish_offer()).bearer_auth(&session.host_token);
        request.send().await.expect("an answer")
    };
    let first = publish().await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let second = publish().await;
    assert_eq!(second.status(), StatusCode::CREATED);
    assert_ne!(header(&first, "location"), header(&second, "location"));
}

#[tokio::test]
async fn without_the_owners_token_nobody_publishes_to_an_owned_session() {
    let server = TestServer::start();
    let session = server.create_session().await;
    let path = format!("/whip/{}", session.session_id);
    let wrong = server.offer(&path, publish_offer()).bearer_auth("wrong");
    let none = server.offer(&path, publish_offer());
    for request in [wrong, none] {
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(header(&response, "www-authenticate").starts_with("Bearer"));
    }
}

#[tokio::test]
async fn a_stream_key_of_another_program_owns_what_it_first_published() {
    let server = TestServer::start();
    let publish = async |key: &str| {
        let request = server.offer("/whip/obs", publish_offer()).bearer_auth(key);
        request.send().await.expect("an answer").status()
    };
    assert_eq!(publish("my-stream-key").await, StatusCode::CREATED);
    assert_eq!(publish("another-key").await, StatusCode::UNAUTHORIZED);
    assert_eq!(publish("my-stream-key").await, StatusCode::CREATED);
}

#[tokio::test]
async fn a_server_that_was_started_again_takes_its_own_tokens_and_nobody_else_for_its_own_ids() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let start = || TestServer::start_with(|config| config.data_dir = Some(data_dir.path().to_owned()));
    let session = start().create_session().await;
    let server = start();
    let path = format!("/whip/{}", session.session_id);
    let stranger = server.offer(&path, publish_offer()).send().await.expect("an answer");
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    let host = server.offer(&path, publish_offer()).bearer_auth(&session.host_token);
    assert_eq!(host.send().await.expect("an answer").status(), StatusCode::CREATED);
}

#[tokio::test]
async fn candidates_are_taken_with_the_current_entity_tag_alone() {
    let server = TestServer::start();
    let response = server.publish("show").await;
    let location = server.url(&header(&response, "location"));
    let patch = async |condition: Option<&str>, content_type: &str, body: &'static str| {
        let mut request = server
            .client
            .patch(&location)
            .header("content-type", content_type)
            .body(body);
        if let Some(condition) = condition {
            request = request.header("if-match", condition);
        }
        request.send().await.expect("an answer")
    };
    let etag = header(&response, "etag");
    assert_eq!(
        patch(Some(&etag), FRAGMENT, CANDIDATE).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        patch(None, FRAGMENT, CANDIDATE).await.status(),
        StatusCode::PRECONDITION_REQUIRED
    );
    assert_eq!(
        patch(Some("\"old\""), FRAGMENT, CANDIDATE).await.status(),
        StatusCode::PRECONDITION_FAILED
    );
    assert_eq!(
        patch(Some(&etag), FRAGMENT, "nonsense").await.status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        patch(Some("*"), FRAGMENT, CANDIDATE).await.status(),
        StatusCode::BAD_REQUEST
    );
    let wrong_type = patch(Some(&etag), "application/sdp", CANDIDATE).await;
    assert_eq!(wrong_type.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn an_ice_restart_gives_new_credentials_and_a_new_entity_tag() {
    let server = TestServer::start();
    let response = server.publish("show").await;
    let location = server.url(&header(&response, "location"));
    let restart = async |condition: &str| {
        let request = server.client.patch(&location).header("content-type", FRAGMENT);
        let request = request.header("if-match", condition).body(RESTART);
        request.send().await.expect("an answer")
    };
    // As the RFC prints it in its example.
    assert_eq!(restart("\"*\"").await.status(), StatusCode::OK);
    let restarted = restart("*").await;
    assert_eq!(restarted.status(), StatusCode::OK);
    assert_eq!(header(&restarted, "content-type"), FRAGMENT);
    assert_ne!(header(&restarted, "etag"), header(&response, "etag"));
    let body = restarted.text().await.expect("text");
    assert!(body.contains("a=ice-ufrag:") && body.contains("a=ice-pwd:"), "{body}");
    let answer = response.text().await.expect("text");
    let options = |sdp: &str| {
        sdp.lines()
            .find(|line| line.starts_with("a=ice-options:"))
            .map(str::to_owned)
    };
    assert_eq!(options(&body), options(&answer), "{body}\n{answer}");
    let sections = body.split("\r\nm=").collect::<Vec<_>>();
    let [_, section] = sections.as_slice() else {
        panic!("one section for all: {body}")
    };
    assert!(
        section.contains("a=candidate:") && section.contains("127.0.0.1"),
        "{body}"
    );
}

#[tokio::test]
async fn what_is_no_offer_is_refused_with_a_reason() {
    let server = TestServer::start();
    let post = async |content_type: &str, body: &str| {
        let request = server
            .client
            .post(server.url("/whip/show"))
            .header("content-type", content_type);
        request.body(body.to_owned()).send().await.expect("an answer")
    };
    assert_eq!(
        post("text/plain", &publish_offer()).await.status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    for body in ["", "hello", "v=0\r\n", "{\"sdp\": 1}"] {
        let response = post("application/sdp", body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        assert!(!error_of(response).await.message.is_empty());
    }
    let too_large = post("application/sdp", &"v".repeat(64 * 1024 + 1)).await;
    assert_eq!(too_large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(server.get("/api/sessions").await.status().is_success());
    assert!(
        server.metric("footlight_sessions").await.abs() < f64::EPSILON,
        "no session was made of it"
    );
}

/// An offer as OBS makes it when it encodes in HEVC: no video codec that is taken.
fn with_hevc_alone(offer: &str) -> String {
    let (audio, video) = offer.split_once("m=video ").expect("two sections");
    let is_of_a_format = |line: &&str| {
        ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"]
            .iter()
            .any(|name| line.starts_with(name))
    };
    let rest: String = video
        .split_inclusive("\r\n")
        .skip(1)
        .filter(|line| !is_of_a_format(line))
        .collect();
    format!("{audio}m=video 9 UDP/TLS/RTP/SAVPF 97\r\n{rest}a=rtpmap:97 H265/90000\r\n")
}

#[tokio::test]
async fn a_codec_that_is_not_taken_is_refused_as_a_whole_and_named() {
    let server = TestServer::start();
    let offer = with_hevc_alone(&publish_offer());
    let response = server
        .offer("/whip/show", offer.clone())
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let error = error_of(response).await;
    assert_eq!(error.code, "codec_unsupported");
    assert!(
        error.message.contains("H265") && error.message.contains("H264"),
        "{error:?}"
    );
    assert!(
        server.metric("footlight_sessions").await.abs() < f64::EPSILON,
        "no session was made of it"
    );

    let session = server.create_session().await;
    let path = format!("/ws/live/{}?token={}", session.session_id, session.host_token);
    let answer = server.connect(&path).await.negotiate("publish", &offer).await;
    assert_eq!(
        (&answer["type"], &answer["code"]),
        (&"error".into(), &"codec_unsupported".into()),
        "{answer}"
    );
}

#[tokio::test]
async fn a_publisher_that_would_receive_as_well_is_answered_that_we_receive_alone() {
    let server = TestServer::start();
    let offer = publish_offer().replace("a=sendonly", "a=sendrecv");
    let response = server.offer("/whip/show", offer).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::CREATED);
    let answer = response.text().await.expect("text");
    assert_eq!(answer.matches("a=recvonly\r\n").count(), 2, "{answer}");
    assert!(
        !answer.contains("a=sendrecv") && !answer.contains("a=ssrc:"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_slash_at_the_end_of_an_address_changes_nothing() {
    let server = TestServer::start();
    let response = server.publish("show/").await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert!(header(&response, "location").starts_with("/whip/show/"));
    let path = "/whep/show/?preview=true";
    let response = server
        .offer(path, support::watch_offer())
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), StatusCode::CREATED);
    assert!(header(&response, "location").starts_with("/whep/show/"));
}

#[tokio::test]
async fn an_id_that_is_none_is_named() {
    let server = TestServer::start();
    let response = server.publish("a%20b").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(error_of(response).await.message.contains("' '"));
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_taken() {
    let server = TestServer::start();
    let response = server.get("/whip/show").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(header(&response, "allow").contains("POST"));
    assert_eq!(error_of(response).await.code, "method_not_allowed");
}

#[tokio::test]
async fn a_page_of_another_site_may_publish() {
    let server = TestServer::start();
    let preflight = server
        .client
        .request(Method::OPTIONS, server.url("/whip/show"))
        .header("origin", "https://elsewhere.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let response = preflight.send().await.expect("an answer");
    assert!(response.status().is_success());
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    assert!(header(&response, "access-control-allow-methods").contains("PATCH"));
    assert!(header(&response, "access-control-allow-headers").contains("authorization"));
    assert_eq!(header(&response, "accept-post"), "application/sdp");
    let request = server
        .offer("/whip/show", publish_offer())
        .header("origin", "https://elsewhere.example");
    let response = request.send().await.expect("an answer");
    let exposed = header(&response, "access-control-expose-headers");
    for name in ["location", "link", "etag"] {
        assert!(exposed.contains(name), "{exposed}");
    }
}

#[tokio::test]
async fn at_the_limit_of_sessions_a_publisher_is_told_to_come_back() {
    let server = TestServer::start_with(|config| config.max_sessions = 1);
    assert_eq!(server.publish("first").await.status(), StatusCode::CREATED);
    let response = server.publish("second").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(header(&response, "retry-after").parse::<u32>().is_ok());
    assert_eq!(error_of(response).await.code, "too_many_sessions");
}

#[tokio::test]
async fn a_title_and_a_name_are_taken_from_the_address() {
    let server = TestServer::start();
    let path = "/whip/show?title=My%20show&username=Ann";
    let response = server.offer(path, publish_offer()).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::CREATED);
    let mut viewer = server.connect("/ws/live/show").await;
    let welcome: Value = viewer.next().await;
    assert_eq!(welcome["title"], "My show");
    assert_eq!(welcome["participants"][0]["username"], "Ann");
    assert_eq!(welcome["participants"][0]["role"], "host");
}
