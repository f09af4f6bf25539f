//! Behind a reverse proxy: whose address a ban is for.

mod support;

use footlight_protocol::SessionCreated;
use reqwest::StatusCode;
use serde_json::{Value, json};
use support::{Socket, TestServer, error_of, header, watch_offer};
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Comes in by a proxy that says where from; the error's code where the server refuses.
async fn enter(server: &TestServer, query: &str, from: &str) -> Result<Socket, String> {
    let mut request = format!("ws://{}/ws/live/{query}", server.address)
        .into_client_request()
        .expect("a request");
    let from = from.parse().expect("a header");
    request.headers_mut().insert("x-forwarded-for", from);
    match tokio_tungstenite::connect_async(request).await {
        Ok((stream, _)) => Ok(Socket(stream)),
        Err(WsError::Http(response)) => {
            assert_eq!(response.status().as_u16(), StatusCode::FORBIDDEN.as_u16());
            let body: Value = serde_json::from_slice(response.body().as_deref().unwrap_or_default()).expect("JSON");
            Err(body["code"].as_str().expect("a code").to_owned())
        }
        Err(other) => panic!("neither let in nor refused: {other}"),
    }
}

/// A session out of which somebody at 198.51.100.7 was banned.
async fn after_a_ban(server: &TestServer) -> SessionCreated {
    let session = server.create_session().await;
    let path = format!("/ws/live/{}?token={}", session.session_id, session.host_token);
    let mut host = server.connect(&path).await;
    host.next_of("current_participants").await;
    let query = session.session_id.to_string();
    let mut troll = enter(server, &query, "198.51.100.7").await.expect("let in at first");
    let user = troll.next_of("current_participants").await["you"]["user_id"].clone();
    let ban = json!({"action": "participant_action", "action_type": "ban", "target_user_id": user});
    host.send(&ban).await;
    troll.next_of("kicked").await;
    session
}

#[tokio::test]
async fn a_ban_is_for_the_address_that_a_trusted_proxy_names() {
    let proxies = vec![
        "127.0.0.1".parse().expect("an address"),
        "10.0.0.0/8".parse().expect("a network"),
    ];
    let server = TestServer::start_with(|config| config.trusted_proxies = proxies);
    let session = after_a_ban(&server).await;
    let query = session.session_id.to_string();
    for same in ["198.51.100.7", "192.0.2.1, 198.51.100.7", "198.51.100.7, 10.0.0.1"] {
        let refused = enter(&server, &query, same).await.err();
        assert_eq!(refused.as_deref(), Some("removed"), "{same}");
    }
    for other in ["198.51.100.8", "198.51.100.7, 198.51.100.8"] {
        assert!(enter(&server, &query, other).await.is_ok(), "{other}");
    }
}

#[tokio::test]
async fn what_a_stranger_says_of_its_address_counts_for_nothing() {
    let server = TestServer::start();
    let session = after_a_ban(&server).await;
    // The address that was invented is not barred: it may be somebody else's.
    let query = session.session_id.to_string();
    assert!(enter(&server, &query, "198.51.100.7").await.is_ok());
}

#[tokio::test]
async fn who_was_banned_does_not_watch_by_a_player_either() {
    let proxies = vec!["127.0.0.1".parse().expect("an address")];
    let server = TestServer::start_with(|config| config.trusted_proxies = proxies);
    let session = after_a_ban(&server).await;
    for query in ["username=X", "preview=true"] {
        let path = format!("/whep/{}?{query}", session.session_id);
        let watch = async |from: &str| {
            let request = server.offer(&path, watch_offer()).header("x-forwarded-for", from);
            request.send().await.expect("an answer")
        };
        let refused = watch("198.51.100.7").await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{query}");
        assert_eq!(error_of(refused).await.code, "removed");
        assert_eq!(watch("198.51.100.8").await.status(), StatusCode::CREATED, "{query}");
    }
}

#[tokio::test]
async fn one_network_does_not_fill_the_server_with_previews() {
    let proxies = vec!["127.0.0.1".parse().expect("an address")];
    let server = TestServer::start_with(|config| config.trusted_proxies = proxies);
    let session = server.create_session().await.session_id;
    let path = format!("/whep/{session}?preview=true");
    let offer = watch_offer();
    let watch = async |from: &str| {
        let request = server.offer(&path, offer.clone()).header("x-forwarded-for", from);
        request.send().await.expect("an answer")
    };
    let mut location = String::new();
    for n in 0..256 {
        let response = watch(&format!("2001:db8:1:2::{n:x}")).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{n}");
        location = server.url(&header(&response, "location"));
    }
    let refused = watch("2001:db8:1:2:ffff::1").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(header(&refused, "retry-after").parse::<u32>().is_ok());
    assert_eq!(error_of(refused).await.code, "too_many_connections");
    assert_eq!(watch("2001:db8:1:3::1").await.status(), StatusCode::CREATED);
    server.client.delete(location).send().await.expect("an answer");
    assert_eq!(watch("2001:db8:1:2:ffff::1").await.status(), StatusCode::CREATED);
}
