//! How the server ends: by a signal, in order, in bounded time.
#![cfg(unix)]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use support::{PATIENCE, Socket, TestServer, error_of, header, watch_offer};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The program itself, killed with its value.
struct Program {
    child: Child,
    url: String,
    _data_dir: tempfile::TempDir,
}

impl Program {
    fn start() -> Self {
        let data_dir = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_footlight-server"))
            .args([
                "--listen",
                "127.0.0.1:0",
                "--media-port",
                "0",
                "--advertise",
                "127.0.0.1",
                "--workers",
                "1",
            ])
            .args(["--no-tls", "--print-json-address", "--data-dir"])
            .arg(data_dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("a line");
        let address: Value = serde_json::from_str(&line).expect("the first line is JSON");
        assert_eq!(address["pid"], child.id());
        assert!(address["media_port"].as_u64().is_some_and(|port| port > 0), "{address}");
        Self {
            child,
            url: address["url"].as_str().expect("a URL").to_owned(),
            _data_dir: data_dir,
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("waits") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not end");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn viewers_are_told_and_the_program_ends_well() {
    for signal in ["TERM", "INT"] {
        let mut program = Program::start();
        let client = reqwest::Client::new();
        let created = client
            .post(format!("{}/api/sessions", program.url))
            .json(&serde_json::json!({}));
        let session: Value = created.send().await.expect("an answer").json().await.expect("JSON");
        let id = session["session_id"].as_str().expect("an id");
        let path = format!("{}/ws/live/{id}", program.url.replace("http", "ws"));
        let mut viewer = Socket(connect_async(path).await.expect("connects").0);
        viewer.next_of("current_participants").await;
        program.signal(signal);
        assert_eq!(viewer.next_of("session_ended").await["reason"], "server_shutdown");
        assert_eq!(viewer.close_code().await, CloseCode::Normal);
        let status = tokio::task::spawn_blocking(move || program.wait())
            .await
            .expect("joins");
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_draining_server_is_not_ready_and_takes_nobody_in() {
    let mut server = TestServer::start();
    let session = server.create_session().await.session_id;
    let response = server
        .offer(&format!("/whep/{session}"), watch_offer())
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), StatusCode::CREATED);
    assert!(header(&response, "location").starts_with("/whep/"));
    // A connection from before, kept open by an answer that is not read yet: it sees the server drain.
    let sessions = server.server.as_ref().expect("runs").sessions().clone();
    sessions.drain();
    assert_eq!(server.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    let refused = server.publish("late").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(header(&refused, "retry-after").parse::<u32>().is_ok());
    assert_eq!(error_of(refused).await.code, "shutting_down");
    server.server.take().expect("runs").drain().await;
    assert!(
        server.client.get(server.url("/healthz")).send().await.is_err(),
        "it no longer listens"
    );
}

#[tokio::test]
async fn a_client_that_does_not_go_is_left_after_the_configured_time() {
    let mut server = TestServer::start_with(|config| config.drain = Duration::from_millis(300));
    let session = server.create_session().await.session_id;
    // Its close is never answered, because nobody reads here.
    let _silent = server.connect(&format!("/ws/live/{session}")).await;
    let drained = tokio::time::timeout(PATIENCE, server.server.take().expect("runs").drain());
    drained.await.expect("it ends");
}

#[test]
fn what_keeps_it_from_starting_is_named_with_a_way_on() {
    let data_dir = tempfile::tempdir().expect("a folder");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = listener.local_addr().expect("an address").to_string();
    let file = data_dir.path().join("file");
    std::fs::write(&file, "").expect("writes");
    let (folder, file) = (data_dir.path().display().to_string(), file.display().to_string());
    let free = ["--listen", "127.0.0.1:0", "--media-port", "0"];
    for (arguments, expected) in [
        (
            vec![
                "--listen",
                &taken,
                "--media-port",
                "0",
                "--no-tls",
                "--data-dir",
                &folder,
            ],
            ["in use", "--listen"],
        ),
        (
            [&free[..], &["--no-tls", "--data-dir", &file]].concat(),
            [&file, "--data-dir"],
        ),
        (
            [&free[..], &["--data-dir", &folder, "--tls", "/no/cert", "/no/key"]].concat(),
            ["/no/cert", "--tls"],
        ),
        (
            vec!["--listen", "203.0.113.1:1", "--no-tls", "--data-dir", &folder],
            ["203.0.113.1", "--listen"],
        ),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_footlight-server"))
            .args(&arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut text = String::new();
        child
            .stderr
            .take()
            .expect("piped")
            .read_to_string(&mut text)
            .expect("text");
        assert!(!child.wait().expect("ends").success(), "{arguments:?}");
        for part in expected {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }
}
