//! Pages, the API's lists, health and figures, and TLS.

mod support;

use footlight_protocol::SessionList;
use footlight_server::config::TlsMode;
use reqwest::StatusCode;
use serde_json::json;
use support::{TestServer, error_of, header};

#[tokio::test]
async fn every_page_of_the_interface_is_html_under_a_policy_and_never_stale() {
    let server = TestServer::start();
    for path in ["/", "/live", "/watch/show"] {
        let response = server.get(path).await;
        assert!(header(&response, "content-type").starts_with("text/html"), "{path}");
        assert!(
            header(&response, "content-security-policy").contains("default-src 'none'"),
            "{path}"
        );
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        // Built or not, which depends on the machine: either way there is a page in words.
        if response.status() == StatusCode::OK {
            assert_eq!(header(&response, "cache-control"), "no-cache");
        } else {
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(response.text().await.expect("text").contains("cargo xtask run"));
        }
    }
}

#[tokio::test]
async fn old_addresses_lead_to_the_new_ones() {
    let server = TestServer::start();
    let moved = [
        ("/live-streams", "/live"),
        ("/?viewer=true", "/"),
        ("/?broadcaster=true", "/stream"),
        ("/mobile-stream.html", "/stream"),
    ];
    for (old, new) in moved {
        let response = server.get(old).await;
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT, "{old}");
        assert_eq!(header(&response, "location"), new);
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_form_that_was_asked_for() {
    let server = TestServer::start();
    let request = server
        .client
        .get(server.url("/nothing/here"))
        .header("accept", "text/html,*/*");
    let page = request.send().await.expect("an answer");
    assert_eq!(page.status(), StatusCode::NOT_FOUND);
    assert!(page.text().await.expect("text").contains("no page at this address"));
    let other = server.get("/nothing/here").await;
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
    assert_eq!(error_of(other).await.code, "not_found");
}

#[tokio::test]
async fn no_path_leads_out_of_the_interface() {
    let server = TestServer::start();
    for path in [
        "/..%2f..%2fCargo.toml",
        "/%2e%2e/package.json",
        "/assets/..%2f..%2fpackage.json",
    ] {
        assert_eq!(server.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_session_is_created_with_the_address_that_the_request_came_to() {
    let server = TestServer::start();
    let session = server.create_session().await;
    assert_eq!(session.watch_url, server.url(&format!("/watch/{}", session.session_id)));
}

#[tokio::test]
async fn behind_a_proxy_the_public_address_is_told() {
    let server = TestServer::start_with(|config| config.public_url = Some("https://live.example.org".into()));
    let session = server.create_session().await;
    assert_eq!(
        session.watch_url,
        format!("https://live.example.org/watch/{}", session.session_id)
    );
}

#[tokio::test]
async fn an_id_is_given_to_the_first_who_asks_and_to_the_holder_of_its_token() {
    let server = TestServer::start();
    let create = async |body: serde_json::Value| {
        server
            .client
            .post(server.url("/api/sessions"))
            .json(&body)
            .send()
            .await
            .expect("an answer")
    };
    let first = create(json!({"session_id": "show"})).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let token = first.json::<serde_json::Value>().await.expect("JSON")["host_token"].clone();
    assert_eq!(
        create(json!({"session_id": "show"})).await.status(),
        StatusCode::CONFLICT
    );
    let again = create(json!({"session_id": "show", "host_token": token})).await;
    assert_eq!(again.status(), StatusCode::CREATED);
    let wrong = create(json!({"session_id": "show", "host_token": "wrong"})).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_named() {
    let server = TestServer::start();
    for body in ["{", "7", "{\"mode\": \"opera\"}", "{\"session_id\": \"a b\"}"] {
        let request = server
            .client
            .post(server.url("/api/sessions"))
            .header("content-type", "application/json");
        let response = request.body(body).send().await.expect("an answer");
        assert!(response.status().is_client_error(), "{body}");
        let error = error_of(response).await;
        assert_eq!(error.code, "bad_json");
        assert!(!error.message.is_empty());
    }
}

#[tokio::test]
async fn sessions_without_a_broadcast_are_not_listed() {
    let server = TestServer::start();
    server.create_session().await;
    let list: SessionList = server.get("/api/sessions").await.json().await.expect("JSON");
    assert!(list.sessions.is_empty());
    assert!((server.metric("footlight_sessions").await - 1.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_sessions_figures_are_there_for_everybody() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let mut viewer = server.connect(&format!("/ws/live/{session}")).await;
    viewer.next().await;
    let stats: serde_json::Value = server
        .get(&format!("/ws/live/{session}/stats"))
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!(
        (&stats["viewer_count"], &stats["participants"], &stats["tracks"]),
        (&json!(1), &json!(1), &json!([]))
    );
    assert_eq!(
        server.get("/ws/live/nothing/stats").await.status(),
        StatusCode::NOT_FOUND
    );
    let no_id = server.get(&format!("/ws/live/{session}/stats?viewer=%20")).await;
    assert_eq!(no_id.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn health_and_figures_are_served() {
    let server = TestServer::start();
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    assert_eq!(server.get("/readyz").await.status(), StatusCode::OK);
    let response = server.get("/metrics").await;
    assert!(header(&response, "content-type").starts_with("application/openmetrics-text"));
    let text = response.text().await.expect("text");
    for name in [
        "footlight_viewers",
        "footlight_peers",
        "footlight_forwarded_packets_total",
        "footlight_http_requests_total",
    ] {
        assert!(text.contains(&format!("\n{name}")), "{name} is not in\n{text}");
    }
    assert!(text.contains("route=\"/healthz\""), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn tls_is_served_with_the_certificate_that_the_server_made() {
    let server = TestServer::start_with(|config| config.tls = TlsMode::SelfSigned);
    let url = format!("https://{}/healthz", server.address);
    let response = server.client.get(url).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_led_to_https() {
    let server = TestServer::start_with(|config| config.tls = TlsMode::SelfSigned);
    let response = server.get("/watch/show").await;
    assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
    assert_eq!(
        header(&response, "location"),
        format!("https://{}/watch/show", server.address)
    );
}
