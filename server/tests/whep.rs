//! `POST /whep/{id}` and its resources, as draft-ietf-wish-whep has them.

mod support;

use reqwest::StatusCode;
use support::{TestServer, error_of, header, watch_offer};

#[tokio::test]
async fn a_player_of_a_known_session_is_answered_even_if_nobody_is_on_air() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let path = format!("/whep/{session}");
    let response = server.offer(&path, watch_offer()).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::CREATED);
    assert!(header(&response, "location").starts_with(&format!("/whep/{session}/")));
    assert!(response.headers().contains_key("etag"));
    let answer = response.text().await.expect("text");
    assert!(
        answer.contains("a=candidate:") && answer.contains("127.0.0.1"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_unknown_session_is_said_to_be_unknown() {
    let server = TestServer::start();
    let response = server
        .offer("/whep/nothing", watch_offer())
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(error_of(response).await.code, "session_not_found");
}

#[tokio::test]
async fn a_player_counts_as_a_viewer_until_it_is_gone_and_a_preview_never() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let mut host = server.connect(&format!("/ws/live/{session}")).await;
    assert_eq!(host.next().await["viewer_count"], 1, "the one who looks");

    let preview = server.offer(&format!("/whep/{session}?preview=true"), watch_offer());
    assert_eq!(preview.send().await.expect("an answer").status(), StatusCode::CREATED);
    let player = server.offer(&format!("/whep/{session}?username=VLC"), watch_offer());
    let response = player.send().await.expect("an answer");
    let joined = host.next_of("user_joined").await;
    assert_eq!(
        (&joined["viewer_count"], &joined["username"]),
        (&2.into(), &"VLC".into())
    );

    let location = server.url(&header(&response, "location"));
    let deleted = server.client.delete(location).send().await.expect("an answer");
    assert_eq!(deleted.status(), StatusCode::OK);
    assert_eq!(host.next_of("user_left").await["viewer_count"], 1);
}

#[tokio::test]
async fn a_whep_resource_is_no_whip_resource() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let response = server
        .offer(&format!("/whep/{session}"), watch_offer())
        .send()
        .await
        .expect("an answer");
    let crossed = header(&response, "location").replace("/whep/", "/whip/");
    let deleted = server
        .client
        .delete(server.url(&crossed))
        .send()
        .await
        .expect("an answer");
    assert_eq!(deleted.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_full_session_takes_no_player() {
    let server = TestServer::start_with(|config| config.max_participants = 1);
    let session = server.create_session().await.session_id;
    let path = format!("/whep/{session}");
    let watch = async || server.offer(&path, watch_offer()).send().await.expect("an answer");
    assert_eq!(watch().await.status(), StatusCode::CREATED);
    let response = watch().await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(error_of(response).await.code, "session_full");
}
