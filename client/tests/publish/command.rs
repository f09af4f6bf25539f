//! The command, as a shell or another program starts it.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::server::{FakeServer, MediaPath, PATIENCE};

fn footlight(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_footlight"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts")
}

fn ended(mut child: Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_list_of_which_nobody_reads_the_end_is_no_failure() {
    for arguments in [&["devices"][..], &["devices", "--json"]] {
        let mut child = footlight(arguments);
        drop(child.stdout.take());
        assert_eq!(ended(child).code(), Some(0), "{arguments:?}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_outlives_whoever_read_its_status_and_says_good_bye() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let address = format!("http://{}", server.address);
    let arguments = [
        "publish",
        &address,
        "--pattern",
        "--tone",
        "--json",
        "--size",
        "320x180",
    ];
    let mut child = footlight(&arguments);
    drop(child.stdout.take());
    let connection = tokio::time::timeout(PATIENCE, connections.recv()).await;
    let mut peer = connection.expect("an offer in time").expect("a server");
    // A status each second: some that cannot be written are among these.
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        let media = tokio::time::timeout(PATIENCE, peer.media.recv()).await;
        media.expect("media goes on").expect("a connection");
    }
    let asked = Command::new("kill").arg(child.id().to_string()).status();
    assert!(asked.expect("there is kill").success());
    let status = tokio::task::spawn_blocking(move || ended(child))
        .await
        .expect("no panic");
    assert_eq!(status.code(), Some(0));
    assert_eq!(server.deleted(), ["0"]);
    assert!(server.ended());
}
