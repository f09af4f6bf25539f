//! Strangers at every door: the server says no in words, stays small, and goes on serving.

mod support;

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reqwest::StatusCode;
use support::{PATIENCE, TestServer, error_of, publish_offer, watch_offer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a thousand strangers may make the process grow by, in bytes: 64 KiB each, for a socket's buffers and a task.
const GROWTH: f64 = 64.0 * 1024.0 * 1024.0;

async fn still_serves(server: &TestServer) {
    let health = tokio::time::timeout(PATIENCE, server.get("/healthz"))
        .await
        .expect("an answer in time");
    assert_eq!(health.status(), StatusCode::OK);
    let session = server.create_session().await.session_id;
    let mut viewer = server.connect(&format!("/ws/live/{session}")).await;
    viewer.next_of("current_participants").await;
    let answer = viewer.negotiate("subscribe", &watch_offer()).await;
    assert_eq!(answer["signal_type"], "answer", "{answer}");
}

fn samples<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    let sample = |runner: &mut TestRunner| strategy.new_tree(runner).expect("a value").current();
    (0..count).map(|_| sample(&mut runner)).collect()
}

#[tokio::test]
async fn sdp_that_was_cut_or_garbled_is_refused_or_answered() {
    let server = TestServer::start();
    let offer = publish_offer();
    let cuts = samples(&(0..offer.len()), 60)
        .into_iter()
        .map(|at| offer[..at].to_owned());
    let garbled = samples(&(0..offer.len(), "[ -~]{1,3}"), 100)
        .into_iter()
        .map(|(at, text)| {
            let end = (at + text.len()).min(offer.len());
            format!("{}{text}{}", &offer[..at], &offer[end..])
        });
    for (number, body) in cuts.chain(garbled).enumerate() {
        let response = server
            .offer(&format!("/whip/s{number}"), body)
            .send()
            .await
            .expect("an answer");
        match response.status() {
            StatusCode::CREATED => {}
            StatusCode::BAD_REQUEST => assert!(!error_of(response).await.message.is_empty()),
            // The garbled ones that are offers nevertheless fill the server with sessions.
            StatusCode::SERVICE_UNAVAILABLE => assert_eq!(error_of(response).await.code, "too_many_sessions"),
            other => panic!("{other}: {}", response.text().await.expect("text")),
        }
    }
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn json_of_any_kind_is_refused_in_words_on_the_socket_and_the_api() {
    let server = TestServer::start();
    let texts = samples(&"\\PC{0,80}|[\\[{\":,a-z0-9}\\]]{0,80}|\\[{1,2000}", 15);
    for text in texts {
        let request = server
            .client
            .post(server.url("/api/sessions"))
            .header("content-type", "application/json");
        let response = request.body(text.clone()).send().await.expect("an answer");
        assert!(response.status().is_client_error(), "{text}");
        let session = server.create_session().await.session_id;
        let mut viewer = server.connect(&format!("/ws/live/{session}")).await;
        viewer.send_text(&text).await;
        let error = viewer.next_of("error").await;
        assert!(
            error["message"].as_str().is_some_and(|message| !message.is_empty()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_without_being_kept() {
    let server = TestServer::start();
    let before = server.metric("footlight_process_resident_memory_bytes").await;
    let head = format!(
        "POST /whip/show HTTP/1.1\r\nHost: {}\r\nContent-Type: application/sdp\r\nContent-Length: 10485760\r\n\r\n",
        server.address
    );
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer before the body");
    assert_eq!(&status, b"HTTP/1.1 413");
    // The rest is not read: the connection ends while it is being sent.
    let chunk = vec![b'v'; 1024 * 1024];
    for _ in 0..10 {
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let after = server.metric("footlight_process_resident_memory_bytes").await;
    // The test's own megabytes are in the same process.
    assert!(after - before < GROWTH, "{before} → {after}");
    still_serves(&server).await;
}

#[tokio::test]
async fn a_picture_of_a_stranger_is_refused_before_it_is_read() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let head = format!(
        "PUT /api/sessions/{session}/background HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer wrong\r\n\
         Content-Length: 2097152\r\n\r\n",
        server.address
    );
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("an answer before the body");
    assert_eq!(&status, b"HTTP/1.1 401");
}

#[tokio::test]
async fn a_thousand_half_open_connections_keep_nobody_out() {
    let _ = rlimit::increase_nofile_limit(8192);
    let server = TestServer::start();
    let before = server.metric("footlight_process_resident_memory_bytes").await;
    let mut strangers = Vec::new();
    for number in 0..1000 {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        // Nothing, half a request line, half a head, half a body.
        let part = [
            "",
            "GET /he",
            "GET / HTTP/1.1\r\nHost: a\r\nX-Slow",
            "POST /whip/x HTTP/1.1\r\nHost: a\r\nContent-Type: application/sdp\r\nContent-Length: 500\r\n\r\nv=0",
        ];
        stream
            .write_all(part[number % part.len()].as_bytes())
            .await
            .expect("writes");
        strangers.push(stream);
    }
    still_serves(&server).await;
    let after = server.metric("footlight_process_resident_memory_bytes").await;
    assert!(after - before < GROWTH, "{before} → {after}");
    drop(strangers);
    still_serves(&server).await;
}

#[tokio::test]
async fn a_request_that_never_ends_is_ended() {
    let server = TestServer::start();
    let mut stream = TcpStream::connect(server.address).await.expect("connects");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n")
        .await
        .expect("writes");
    let (mut reader, mut writer) = stream.split();
    // One header line at a time, for ever: the timer is for the whole head, so that this does not help.
    let drip = async {
        while writer.write_all(b"X-Slow: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(PATIENCE + Duration::from_secs(20), async {
        tokio::select! {
            () = drip => {}
            _ = reader.read_to_end(&mut answer) => {}
        }
    });
    ended.await.expect("the server ends it");
    still_serves(&server).await;
}

#[tokio::test]
async fn random_bytes_are_not_answered_with_silence_or_a_crash() {
    let server = TestServer::start();
    for bytes in samples(&prop::collection::vec(any::<u8>(), 1..2000), 40) {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        // The server may end the connection before it has everything.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the connection stays open after {bytes:?}");
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn a_viewer_that_does_not_read_keeps_nobody_waiting() {
    let server = TestServer::start();
    let session = server.create_session().await.session_id;
    let path = format!("/ws/live/{session}");
    let _deaf = server.connect(&path).await;
    let mut viewer = server.connect(&path).await;
    viewer.next_of("current_participants").await;
    for _ in 0..200 {
        let visitor = server.connect(&path).await;
        viewer.next_of("user_joined").await;
        visitor.leave().await;
        viewer.next_of("user_left").await;
    }
    still_serves(&server).await;
}
