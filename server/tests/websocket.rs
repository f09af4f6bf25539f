//! `/ws/live/{id}`: coming in, presence, signaling, and what closes it.

mod support;

use futures_util::SinkExt;
use reqwest::StatusCode;
use serde_json::json;
use support::{TestServer, publish_offer, watch_offer};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test]
async fn the_first_message_says_who_is_here() {
    let server = TestServer::start();
    let session = server.create_session().await;
    let mut viewer = server
        .connect(&format!("/ws/live/{}?username=Bob", session.session_id))
        .await;
    let welcome = viewer.next().await;
    assert_eq!(welcome["type"], "current_participants");
    assert_eq!(welcome["you"]["username"], "Bob");
    assert_eq!(welcome["you"]["role"], "viewer");
    assert_eq!(welcome["viewer_count"], 1);
    assert!(welcome["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')));
}

#[tokio::test]
async fn the_host_is_known_by_its_token() {
    let server = TestServer::start();
    let session = server.create_session().await;
    let path = format!("/ws/live/{}?token={}", session.session_id, session.host_token);
    let welcome = server.connect(&path).await.next().await;
    assert_eq!(welcome["you"]["role"], "host");
    assert_eq!(welcome["viewer_count"], 0);
}

#[tokio::test]
async fn who_may_not_come_in_hears_why_before_the_upgrade() {
    let server = TestServer::start_with(|config| config.max_participants = 1);
    let session = server.create_session().await.session_id;
    let path = format!("/ws/live/{session}");
    let (status, body) = server.refused(&format!("{path}?token=wrong")).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::UNAUTHORIZED, &json!("unauthorized"))
    );
    let (status, body) = server.refused("/ws/live/nothing").await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::NOT_FOUND, &json!("session_not_found"))
    );
    let mut first = server.connect(&path).await;
    first.next_of("current_participants").await;
    let (status, body) = server.refused(&path).await;
    assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("session_full")));
    drop(first);
}

#[tokio::test]
async fn comings_and_goings_are_told_with_the_viewer_count() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let mut ann = server.connect(&format!("/ws/live/{session}?username=Ann")).await;
    ann.next_of("current_participants").await;
    let bob = server.connect(&format!("/ws/live/{session}?username=Bob")).await;
    let joined = ann.next_of("user_joined").await;
    assert_eq!(
        (&joined["username"], &joined["viewer_count"]),
        (&json!("Bob"), &json!(2))
    );
    bob.leave().await;
    let left = ann.next_of("user_left").await;
    assert_eq!((&left["username"], &left["viewer_count"]), (&json!("Bob"), &json!(1)));
}

#[tokio::test]
async fn an_offer_is_answered_and_a_further_one_of_the_same_connection_too() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let mut viewer = server.connect(&format!("/ws/live/{session}")).await;
    for _ in 0..2 {
        let answer = viewer.negotiate("subscribe", &watch_offer()).await;
        assert_eq!(answer["signal_type"], "answer", "{answer}");
        assert_eq!(answer["connection"], "subscribe");
        let sdp = answer["signal_data"]["sdp"].as_str().expect("SDP");
        assert!(sdp.starts_with("v=0"), "{sdp}");
    }
}

#[tokio::test]
async fn the_host_may_publish_and_a_viewer_may_not() {
    let server = TestServer::start();
    let session = server.create_session().await;
    let path = format!("/ws/live/{}", session.session_id);
    let mut viewer = server.connect(&path).await;
    let error = viewer.negotiate("publish", &publish_offer()).await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("forbidden")));
    let mut host = server.connect(&format!("{path}?token={}", session.host_token)).await;
    let answer = host.negotiate("publish", &publish_offer()).await;
    assert_eq!(answer["signal_type"], "answer", "{answer}");
}

#[tokio::test]
async fn a_bad_message_is_named_and_the_connection_stays_open() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let mut viewer = server.connect(&format!("/ws/live/{session}")).await;
    for (text, code, part) in [
        ("{", "bad_json", "EOF"),
        (r#"{"action":"fly"}"#, "unknown_action", "fly"),
        (
            r#"{"action":"webrtc_signal","connection":"subscribe"}"#,
            "bad_message",
            "signal_type",
        ),
        (
            r#"{"action":"webrtc_signal","connection":"subscribe","signal_type":"offer","signal_data":{"sdp":"hello"}}"#,
            "bad_offer",
            "",
        ),
        (
            r#"{"action":"webrtc_signal","connection":"publish","signal_type":"ice_candidate","signal_data":{"candidate":"x"}}"#,
            "no_connection",
            "offer",
        ),
    ] {
        viewer.send_text(text).await;
        let error = viewer.next_of("error").await;
        assert_eq!(error["code"], code, "{error}");
        assert!(
            error["message"].as_str().is_some_and(|message| message.contains(part)),
            "{error}"
        );
    }
    viewer.send(&json!({"action": "keep_alive"})).await;
    viewer.send(&json!({"action": "ping"})).await;
    viewer.next_of("pong").await;
}

#[tokio::test]
async fn binary_frames_close_it() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let mut viewer = server.connect(&format!("/ws/live/{session}")).await;
    viewer.0.send(Message::binary(vec![1, 2, 3])).await.expect("sends");
    assert_eq!(viewer.close_code().await, CloseCode::Unsupported);
}

#[tokio::test]
async fn a_frame_that_is_too_large_closes_it() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let mut viewer = server.connect(&format!("/ws/live/{session}")).await;
    viewer.send_text(&"x".repeat(64 * 1024 + 1)).await;
    assert_eq!(viewer.close_code().await, CloseCode::Size);
}

#[tokio::test]
async fn a_flood_closes_it() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let mut viewer = server.connect(&format!("/ws/live/{session}")).await;
    for _ in 0..1000 {
        // It is closed somewhere on the way.
        if viewer.0.feed(Message::text("nonsense")).await.is_err() {
            break;
        }
    }
    let _ = viewer.0.flush().await;
    assert_eq!(viewer.close_code().await, CloseCode::Policy);
}

#[tokio::test]
async fn a_newer_connection_of_the_host_replaces_the_older_one() {
    let server = TestServer::start();
    let session = server.create_session().await;
    let path = format!("/ws/live/{}?token={}", session.session_id, session.host_token);
    let mut older = server.connect(&path).await;
    older.next_of("current_participants").await;
    let mut newer = server.connect(&path).await;
    newer.next_of("current_participants").await;
    assert_eq!(older.close_code().await, CloseCode::Library(4001));
    newer.send(&json!({"action": "ping"})).await;
    newer.next_of("pong").await;
}

#[tokio::test]
async fn ending_the_session_tells_everybody_and_takes_the_host() {
    let server = TestServer::start();
    let session = server.create_session().await;
    let mut viewer = server.connect(&format!("/ws/live/{}", session.session_id)).await;
    viewer.next_of("current_participants").await;
    let end = server
        .client
        .post(server.url(&format!("/ws/live/{}/end", session.session_id)));
    let stranger = end
        .try_clone()
        .expect("no body")
        .bearer_auth("wrong")
        .send()
        .await
        .expect("an answer");
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    let host = end.bearer_auth(&session.host_token).send().await.expect("an answer");
    assert_eq!(host.status(), StatusCode::NO_CONTENT);
    assert_eq!(viewer.next_of("session_ended").await["reason"], "ended_by_host");
    assert_eq!(viewer.close_code().await, CloseCode::Normal);
    let (status, _) = server.refused(&format!("/ws/live/{}", session.session_id)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_plain_request_is_told_that_it_is_a_websocket() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let response = server.get(&format!("/ws/live/{session}")).await;
    assert!(response.status().is_client_error());
    assert_eq!(support::error_of(response).await.code, "websocket_expected");
}
