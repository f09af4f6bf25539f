//! The room over its WebSocket: who is let in, what comes of what they send, and what hostile clients cannot do.

mod support;

use std::time::Duration;

use footlight_protocol::{CreateSession, SessionCreated, SessionMode, Topology, Visibility};
use reqwest::StatusCode;
use serde_json::{Value, json};
use support::{Socket, TestServer, publish_offer, watch_offer};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// A session with its host in it.
struct Show {
    server: TestServer,
    session: SessionCreated,
    host: Socket,
}

impl Show {
    async fn start() -> Self {
        Self::of(TestServer::start(), CreateSession::default()).await
    }

    async fn of(server: TestServer, create: CreateSession) -> Self {
        let response = server
            .client
            .post(server.url("/api/sessions"))
            .json(&create)
            .send()
            .await;
        let session: SessionCreated = response.expect("an answer").json().await.expect("JSON");
        let path = format!(
            "/ws/live/{}?username=Ann&token={}",
            session.session_id, session.host_token
        );
        let mut host = server.connect(&path).await;
        let welcome = host.next_of("current_participants").await;
        assert_eq!(welcome["you"]["role"], "host");
        Self { server, session, host }
    }

    fn path(&self, query: &str) -> String {
        format!("/ws/live/{}?{query}", self.session.session_id)
    }

    /// Somebody who comes in, and what this one is told first.
    async fn enter(&self, query: &str) -> (Socket, Value) {
        let mut socket = self.server.connect(&self.path(query)).await;
        let welcome = socket.next_of("current_participants").await;
        (socket, welcome)
    }

    /// A viewer who becomes a guest.
    async fn guest(&mut self, name: &str) -> (Socket, Value) {
        let (mut guest, welcome) = self.enter(&format!("username={name}")).await;
        guest.send(&json!({"action": "request_guest"})).await;
        let request = self.host.next_of("guest_request").await;
        assert_eq!(request["username"], name);
        let answer = json!({"action": "respond_guest", "target_user_id": request["user_id"], "approved": true});
        self.host.send(&answer).await;
        assert_eq!(guest.next_of("guest_approved").await["approved_by"], "Ann");
        (guest, welcome)
    }
}

fn act(action: &str, target: &Value) -> Value {
    json!({"action": "participant_action", "action_type": action, "target_user_id": target})
}

#[tokio::test]
async fn a_guest_who_is_approved_may_publish_at_once_and_a_viewer_may_not() {
    let mut show = Show::start().await;
    let (mut viewer, _) = show.enter("username=Bob").await;
    let refused = viewer.negotiate("publish", &publish_offer()).await;
    assert_eq!(
        (&refused["code"], &refused["action"]),
        (&json!("forbidden"), &json!("webrtc_signal"))
    );
    let (mut guest, welcome) = show.guest("Cleo").await;
    assert_eq!(welcome["you"]["role"], "viewer");
    let answer = guest.negotiate("publish", &publish_offer()).await;
    assert_eq!(answer["type"], "webrtc_signal", "{answer}");
    let joined = viewer.next_of("guest_joined").await;
    assert_eq!(joined["username"], "Cleo");
    // Off the stage again: the connection is closed, and another one refused.
    show.host.send(&act("demote", &welcome["you"]["user_id"])).await;
    assert_eq!(guest.next_of("demoted").await["new_role"], "viewer");
    let refused = guest.negotiate("publish", &publish_offer()).await;
    assert_eq!(refused["code"], "forbidden");
}

#[tokio::test]
async fn a_dropped_socket_comes_back_to_its_place_and_the_others_see_nothing() {
    let mut show = Show::start().await;
    let (guest, welcome) = show.guest("Cleo").await;
    let (mut viewer, _) = show.enter("username=Bob").await;
    // Lost, without a word.
    drop(guest);
    let token = welcome["resume_token"].as_str().expect("a token");
    let (back, again) = show.enter(&format!("resume_token={token}")).await;
    assert_eq!(again["you"]["user_id"], welcome["you"]["user_id"]);
    assert_eq!(again["you"]["role"], "guest");
    assert_eq!(again["you"]["username"], "Cleo");
    assert_ne!(again["resume_token"], welcome["resume_token"]);
    // Given up by the page, which the server hears nevertheless.
    back.close_for_now().await;
    let another = again["resume_token"].as_str().expect("a token");
    let (mut back, again) = show.enter(&format!("resume_token={another}")).await;
    assert_eq!(again["you"]["user_id"], welcome["you"]["user_id"]);
    back.send(&json!({"action": "chat", "message": "here again"})).await;
    loop {
        let event = viewer.next().await;
        assert!(
            event["type"] != "user_left" && event["type"] != "user_joined",
            "{event}"
        );
        if event["type"] == "chat_message" {
            break;
        }
    }
    // Each token is good once; without one it is somebody new.
    let (_, stranger) = show.enter(&format!("resume_token={token}")).await;
    assert_ne!(stranger["you"]["user_id"], welcome["you"]["user_id"]);
    assert_eq!(stranger["you"]["role"], "viewer");
}

#[tokio::test]
async fn who_is_kicked_hears_why_and_is_not_let_in_again() {
    let mut show = Show::start().await;
    // The cookie by which a browser is known.
    let request = |query: &str, cookie: Option<&str>| {
        let url = format!("ws://{}{}", show.server.address, show.path(query));
        let mut request = url.into_client_request().expect("a request");
        if let Some(cookie) = cookie {
            let cookie = cookie.parse().expect("a header");
            request.headers_mut().insert("cookie", cookie);
        }
        request
    };
    let (stream, response) = tokio_tungstenite::connect_async(request("username=Troll", None))
        .await
        .expect("the handshake succeeds");
    let cookie = response.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let mut troll = Socket(stream);
    let welcome = troll.next_of("current_participants").await;
    let again = request("username=Somebody", Some(&cookie));
    let resume = welcome["resume_token"].as_str().expect("a token").to_owned();
    let resumed = request(&format!("resume_token={resume}"), Some(&cookie));

    let user_id = welcome["you"]["user_id"].clone();
    show.host.send(&act("kick", &user_id)).await;
    let kicked = troll.next_of("kicked").await;
    assert_eq!(kicked["by"], "Ann");
    assert_eq!(troll.close_code().await, CloseCode::Library(4003));
    for request in [again, resumed] {
        match tokio_tungstenite::connect_async(request).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                let body: Value = serde_json::from_slice(response.body().as_deref().unwrap_or_default()).expect("JSON");
                assert_eq!((response.status().as_u16(), &body["code"]), (403, &json!("removed")));
            }
            other => panic!("let in: {other:?}"),
        }
    }
    show.host.send(&act("kick", &user_id)).await;
    assert_eq!(show.host.next_of("error").await["code"], "not_found");
}

#[tokio::test]
async fn a_newcomer_gets_the_history_of_the_chat() {
    let mut show = Show::start().await;
    show.host.send(&json!({"action": "chat", "message": "first 👋"})).await;
    show.host.send(&json!({"action": "chat", "message": "   "})).await;
    let said = show.host.next_of("chat_message").await;
    assert_eq!(
        (&said["message"], &said["username"], &said["role"]),
        (&json!("first 👋"), &json!("Ann"), &json!("host"))
    );
    let (_, welcome) = show.enter("").await;
    let history = welcome["chat_history"].as_array().expect("a list");
    assert_eq!(history.len(), 1);
    assert_eq!(history[0]["message_id"], said["message_id"]);
    assert_eq!(history[0]["timestamp"], said["timestamp"]);
}

#[tokio::test]
async fn a_voice_session_takes_no_picture_by_any_way() {
    let create = CreateSession {
        mode: Some(SessionMode::Voice),
        ..CreateSession::default()
    };
    let mut show = Show::of(TestServer::start(), create).await;
    let refused = show.host.negotiate("publish", &publish_offer()).await;
    assert_eq!(refused["code"], "no_video");
    let whip = format!("/whip/{}", show.session.session_id);
    let request = show
        .server
        .offer(&whip, publish_offer())
        .bearer_auth(&show.session.host_token);
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let (mut viewer, _) = show.enter("").await;
    let answer = viewer.negotiate("subscribe", &watch_offer()).await;
    assert_eq!(answer["type"], "webrtc_signal");
}

#[tokio::test]
async fn an_error_of_a_signal_names_the_connection_that_it_is_about() {
    let show = Show::start().await;
    let (mut viewer, _) = show.enter("").await;
    assert_eq!(
        viewer.negotiate("publish", &publish_offer()).await["connection"],
        "publish"
    );
    assert_eq!(
        viewer.negotiate("subscribe", "nonsense").await["connection"],
        "subscribe"
    );
    let unreadable = json!({"action": "webrtc_signal", "connection": "publish", "signal_type": "offer",
        "signal_data": {}});
    viewer.send(&unreadable).await;
    assert_eq!(viewer.next_of("error").await["connection"], "publish");
    viewer.send(&json!({"action": "fly"})).await;
    assert!(viewer.next_of("error").await.get("connection").is_none());
}

#[tokio::test]
async fn in_a_mesh_signals_are_relayed_and_nothing_goes_through_the_server() {
    let create = CreateSession {
        topology: Some(Topology::Mesh),
        ..CreateSession::default()
    };
    let turn = "turn:turn.example.net user secret".parse().expect("a server");
    let server = TestServer::start_with(|config| config.ice_servers = vec![turn]);
    let mut show = Show::of(server, create).await;
    let (mut viewer, welcome) = show.enter("username=Bob").await;
    assert_eq!(welcome["topology"], "mesh");
    let own = format!("stun:{}", show.server.address);
    assert_eq!(
        welcome["ice_servers"],
        json!([{"urls": ["turn:turn.example.net"], "username": "user", "credential": "secret"}, {"urls": [own]}])
    );
    let refused = viewer.negotiate("subscribe", &watch_offer()).await;
    assert_eq!(refused["code"], "mesh");
    let signal = json!({"action": "webrtc_signal", "to_user_id": welcome["you"]["user_id"], "signal_type": "offer",
        "signal_data": {"type": "offer", "sdp": "v=0"}});
    show.host.send(&signal).await;
    let relayed = viewer.next_of("webrtc_signal").await;
    assert_eq!(
        (&relayed["from_user_id"], &relayed["from_username"]),
        (&json!("host"), &json!("Ann"))
    );
    assert_eq!(relayed["to_user_id"], welcome["you"]["user_id"]);
    assert_eq!(relayed["signal_data"]["sdp"], "v=0");
    assert!(relayed.get("connection").is_none());
}

#[tokio::test]
async fn everybody_in_a_session_is_told_of_the_relay_with_credentials_of_their_own() {
    let show = Show::start().await;
    let relay_of = |welcome: &Value| {
        let [relay] = &welcome["ice_servers"].as_array().expect("a list")[..] else {
            panic!("not one server: {}", welcome["ice_servers"]);
        };
        relay.clone()
    };
    let (viewer, welcome) = show.enter("username=Bob").await;
    let told = relay_of(&welcome);
    let address = show.server.address;
    assert_eq!(
        told["urls"],
        json!([
            format!("turn:{address}?transport=udp"),
            format!("turn:{address}?transport=tcp")
        ])
    );
    assert!(told["username"].is_string() && told["credential"].is_string());
    let (_, other) = show.enter("username=Cem").await;
    assert_ne!(relay_of(&other)["credential"], told["credential"]);
    drop(viewer);
    let token = welcome["resume_token"].as_str().expect("a token");
    let (_, back) = show.enter(&format!("resume_token={token}")).await;
    assert_eq!(back["you"]["user_id"], welcome["you"]["user_id"]);
    assert_ne!(relay_of(&back)["credential"], told["credential"]);
}

#[tokio::test]
async fn a_background_is_its_hosts_to_change() {
    let mut show = Show::start().await;
    let path = format!("/api/sessions/{}/background", show.session.session_id);
    let url = show.server.url(&path);
    let put = |token: &str, body: &'static [u8]| show.server.client.put(&url).bearer_auth(token).body(body).send();
    let png = b"\x89PNG\r\n\x1a\nrest";
    let token = show.session.host_token.clone();
    let status = |response: Result<reqwest::Response, reqwest::Error>| response.expect("an answer").status();
    assert_eq!(status(put("wrong", png).await), StatusCode::UNAUTHORIZED);
    assert_eq!(status(put(&token, b"<svg/>").await), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(status(show.server.client.get(&url).send().await), StatusCode::NOT_FOUND);
    assert_eq!(status(put(&token, png).await), StatusCode::NO_CONTENT);
    let shown = show.host.next_of("background_changed").await["background"].clone();
    let response = show.server.get(shown.as_str().expect("a path")).await;
    assert_eq!(support::header(&response, "content-type"), "image/png");
    assert_eq!(support::header(&response, "x-content-type-options"), "nosniff");
    assert_eq!(&response.bytes().await.expect("a body")[..], png);
    let (_, welcome) = show.enter("").await;
    assert_eq!(welcome["background"], shown);
    let large = vec![0x89; 2 * 1024 * 1024 + 1];
    let response = show
        .server
        .client
        .put(&url)
        .bearer_auth(&token)
        .body(large)
        .send()
        .await;
    let response = response.expect("an answer");
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let message = support::error_of(response).await.message;
    assert!(message.contains("2097152 bytes"), "{message}");
}

#[tokio::test]
async fn a_viewers_host_actions_are_refused_in_words_and_change_nothing() {
    let mut show = Show::start().await;
    let (mut viewer, welcome) = show.enter("username=Mallory").await;
    let me = welcome["you"]["user_id"].clone();
    let attempts = [
        act("kick", &json!("host")),
        act("promote", &me),
        act("mute_audio", &json!("host")),
        json!({"action": "respond_guest", "target_user_id": me, "approved": true}),
        json!({"action": "delete_message", "message_id": "m1"}),
        json!({"action": "clear_messages", "target_user_id": "host"}),
        json!({"action": "slow_mode", "seconds": 600}),
        json!({"action": "start_broadcast"}),
        json!({"action": "stop_broadcast"}),
        json!({"action": "end_session"}),
        json!({"action": "update_media_status", "audio_enabled": true, "video_enabled": true}),
    ];
    for attempt in attempts {
        viewer.send(&attempt).await;
        let error = viewer.next_of("error").await;
        assert_eq!(
            (&error["code"], &error["action"]),
            (&json!("forbidden"), &attempt["action"]),
            "{attempt}"
        );
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|words| words.starts_with("a viewer may not"))
        );
    }
    let (_, welcome) = show.enter("").await;
    let listed = welcome["participants"].as_array().expect("a list");
    assert!(listed.iter().any(|p| p["user_id"] == me && p["role"] == "viewer"));
    show.host.send(&json!({"action": "ping"})).await;
    show.host.next_of("pong").await;
}

#[tokio::test]
async fn tokens_of_other_sessions_and_nonsense_are_refused() {
    let show = Show::start().await;
    let other = show.server.create_session().await;
    for token in [&other.host_token[..], "x", "a.b.c", &"x".repeat(5000)] {
        let (status, body) = show.server.refused(&show.path(&format!("token={token}"))).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
    }
    // Somebody else's place cannot be guessed.
    for token in ["host.", "host.AAAAAAAAAAAAAAAAAAAAAA", "....", "host"] {
        let (_, welcome) = show.enter(&format!("resume_token={token}")).await;
        assert_eq!(welcome["you"]["role"], "viewer", "{token}");
    }
}

#[tokio::test]
async fn names_and_words_of_strangers_are_plain_short_text() {
    let mut show = Show::start().await;
    let trick = "%E2%80%AEevil%00%3Cscript%3E%0A";
    let (mut viewer, welcome) = show.enter(&format!("username={trick}")).await;
    assert_eq!(welcome["you"]["username"], "evil <script>");
    let (_, welcome) = show.enter(&format!("username={}", "n".repeat(20_000))).await;
    assert_eq!(welcome["you"]["username"].as_str().map(str::len), Some(40));
    viewer
        .send(&json!({"action": "chat", "message": "<img src=x onerror=alert(1)>\u{202e}\u{0}"}))
        .await;
    let said = show.host.next_of("chat_message").await;
    assert_eq!(said["message"], "<img src=x onerror=alert(1)>");
    viewer
        .send(&json!({"action": "chat", "message": "x".repeat(60_000)}))
        .await;
    let error = viewer.next_of("error").await;
    assert_eq!(error["code"], "too_long");
}

#[tokio::test]
async fn a_flood_is_refused_in_words_then_closed_and_the_room_undisturbed() {
    let mut show = Show::start().await;
    let (mut flooder, _) = show.enter("username=Flood").await;
    let (mut viewer, _) = show.enter("username=Bob").await;
    let flood = tokio::spawn(async move {
        use futures_util::SinkExt as _;
        let message = json!({"action": "chat", "message": "spam"}).to_string();
        for _ in 0..1000 {
            let message = tokio_tungstenite::tungstenite::Message::text(message.clone());
            if flooder.0.send(message).await.is_err() {
                break;
            }
        }
        let refused = flooder.next_of("error").await;
        assert_eq!(refused["code"], "rate_limited");
        flooder.close_code().await
    });
    assert_eq!(flood.await.expect("no panic"), CloseCode::Policy);
    // A handful got through, and then this one left.
    let mut heard = 0;
    loop {
        let event = tokio::time::timeout(Duration::from_secs(10), viewer.next())
            .await
            .expect("an event");
        match event["type"].as_str() {
            Some("chat_message") => heard += 1,
            Some("user_left") => break,
            _ => {}
        }
    }
    assert!((1..=8).contains(&heard), "{heard}");
    show.host.send(&json!({"action": "chat", "message": "calm"})).await;
    assert_eq!(viewer.next_of("chat_message").await["message"], "calm");
}

#[tokio::test]
async fn a_host_who_stays_away_hands_over_to_a_cohost() {
    let server = TestServer::start_with(|config| config.host_grace = Duration::from_secs(1));
    let mut show = Show::of(server, CreateSession::default()).await;
    let (mut cohost, welcome) = show.guest("Cleo").await;
    show.host.send(&act("promote", &welcome["you"]["user_id"])).await;
    assert_eq!(cohost.next_of("promoted").await["new_role"], "cohost");
    let (mut viewer, _) = show.enter("username=Bob").await;
    let Show { host, server, session } = show;
    host.leave().await;
    assert_eq!(viewer.next_of("host_away").await["grace_seconds"], 1);
    assert_eq!(cohost.next_of("promoted").await["new_role"], "host");
    let changed = viewer.next_of("role_changed").await;
    assert_eq!(
        (&changed["username"], &changed["role"]),
        (&json!("Cleo"), &json!("host"))
    );
    // Nobody is left to take over from the new one.
    cohost.leave().await;
    assert_eq!(viewer.next_of("session_ended").await["reason"], "host_left");
    let (status, _) = server.refused(&format!("/ws/live/{}", session.session_id)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn reactions_of_many_reach_each_viewer_in_a_few_messages() {
    let mut show = Show::start().await;
    let (mut viewer, _) = show.enter("username=Bob").await;
    let mut fans = Vec::new();
    for _ in 0..10 {
        fans.push(show.enter("").await.0);
    }
    for fan in &mut fans {
        for _ in 0..20 {
            fan.send(&json!({"action": "reaction", "reaction": "🔥"})).await;
        }
    }
    let (mut messages, mut counted) = (0, 0);
    while counted < 200 {
        let event = viewer.next().await;
        match event["type"].as_str() {
            Some("reaction") => counted += 1,
            Some("reactions") => counted += event["counts"]["🔥"].as_u64().expect("a number"),
            _ => continue,
        }
        messages += 1;
    }
    assert_eq!(counted, 200, "none is lost");
    assert!(messages < 100, "{messages}");
    show.host.send(&json!({"action": "reaction", "reaction": "💩"})).await;
    assert_eq!(show.host.next_of("error").await["code"], "bad_message");
}

/// A second server on the data folder of the first knows its tokens, as after a restart.
#[tokio::test]
async fn a_session_that_comes_back_after_a_restart_is_of_the_same_kind() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = || {
        let path = folder.path().to_owned();
        TestServer::start_with(|config| config.data_dir = Some(path))
    };
    let before = start();
    let create = CreateSession {
        mode: Some(SessionMode::Studio),
        visibility: Some(Visibility::Unlisted),
        ..CreateSession::default()
    };
    let session = Show::of(before, create).await.session;
    let after = start();
    let path = format!(
        "/ws/live/{}?token={}&title=My%20show",
        session.session_id, session.host_token
    );
    let mut host = after.connect(&path).await;
    let welcome = host.next_of("current_participants").await;
    assert_eq!(
        (&welcome["you"]["role"], &welcome["mode"], &welcome["title"]),
        (&json!("host"), &json!("studio"), &json!("My show"))
    );
    let whip = format!("/whip/{}", session.session_id);
    let published = after.offer(&whip, publish_offer()).bearer_auth(&session.host_token);
    assert_eq!(published.send().await.expect("an answer").status(), StatusCode::CREATED);
    let listed: Value = after.get("/api/sessions").await.json().await.expect("JSON");
    assert_eq!(
        listed["sessions"],
        json!([]),
        "it was reached by its link alone, and still is"
    );
}
