//! A full room: what is said reaches everybody once, and nothing is left of those who have gone.

mod support;

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::json;
use support::{Socket, TestServer};
use tokio::task::JoinSet;

/// Many times the size up to which everybody is told everything at once and listed by name.
const VIEWERS: usize = 300;

/// Those that join at the same time.
const AT_ONCE: usize = 50;

/// What must be as it was once they have gone.
const FIGURES: [&str; 4] = [
    "footlight_sessions",
    "footlight_viewers",
    "footlight_participants",
    "footlight_peers",
];

const OPEN_FILES: &str = "footlight_process_open_fds";

/// Client and server are of one process, and the client keeps a connection or two for its next request.
const FILES_OF_THE_CLIENT: f64 = 20.0;

async fn figures(server: &TestServer) -> BTreeMap<&'static str, u64> {
    let mut found = BTreeMap::new();
    for name in FIGURES {
        found.insert(name, server.metric(name).await as u64);
    }
    found
}

/// How often each text is heard until `last` is.
async fn listen_until(viewer: &mut Socket, last: &str) -> BTreeMap<String, u32> {
    let mut heard = BTreeMap::new();
    loop {
        let event = viewer.next_of("chat_message").await;
        let text = event["message"].as_str().expect("text").to_owned();
        let is_last = text == last;
        *heard.entry(text).or_default() += 1;
        if is_last {
            return heard;
        }
    }
}

/// Says good-bye and reads to the end. To drop a socket that was sent something meanwhile, as everybody is who leaves with
/// others, resets the connection, and the good-bye may be lost with it.
async fn leave(mut viewer: Socket) {
    viewer.0.close(None).await.expect("closes");
    while let Some(Ok(_)) = viewer.0.next().await {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_reaches_each_of_three_hundred_once_and_nothing_is_left_of_them() {
    let server = TestServer::start();
    let session = server.create_session().await;
    let path = format!("/ws/live/{}", session.session_id);
    let mut host = server.connect(&format!("{path}?token={}", session.host_token)).await;
    host.next_of("current_participants").await;
    let before = figures(&server).await;
    let files_before = server.metric(OPEN_FILES).await;

    let mut viewers = Vec::new();
    while viewers.len() < VIEWERS {
        let joining = (0..AT_ONCE).map(|_| async {
            let mut viewer = server.connect(&path).await;
            viewer.next_of("current_participants").await;
            viewer
        });
        viewers.extend(join_all(joining).await);
    }
    assert_eq!(figures(&server).await["footlight_viewers"], VIEWERS as u64);

    // The second tells when to stop listening for a repetition of the first.
    for text in ["everybody", "that was it"] {
        host.send(&json!({"action": "chat", "message": text})).await;
    }
    let mut listening = JoinSet::new();
    for mut viewer in viewers {
        listening.spawn(async move {
            let heard = listen_until(&mut viewer, "that was it").await;
            leave(viewer).await;
            heard
        });
    }
    let once = BTreeMap::from([("everybody".to_owned(), 1), ("that was it".to_owned(), 1)]);
    let mut listened = 0;
    while let Some(heard) = listening.join_next().await {
        assert_eq!(heard.expect("no panic"), once);
        listened += 1;
    }
    assert_eq!(listened, VIEWERS);

    // Who has said good-bye is heard of by the others: the last one brings the count to nobody.
    loop {
        let left = host.next_of("user_left").await;
        if left["viewer_count"] == 0 {
            break;
        }
    }
    assert_eq!(figures(&server).await, before);
    // The last sockets may be closing still.
    let limit = files_before + FILES_OF_THE_CLIENT;
    let closed = async { while server.metric(OPEN_FILES).await > limit {} };
    let closed = tokio::time::timeout(support::PATIENCE, closed).await;
    assert!(closed.is_ok(), "connections stay open");
    host.send(&json!({"action": "ping"})).await;
    host.next_of("pong").await;
}
