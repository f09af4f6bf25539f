//! A publisher against a media engine that is not its own.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, SystemTime};

use crate::server::{FakeServer, MediaPath, PATIENCE, Peer, Received, config, reached};
use footlight_client::pipeline::VideoSource;
use footlight_client::publish::{Ending, Publisher, State};
use footlight_client::source::CustomVideo;
use footlight_client::video::capture::{CaptureError, VideoCapture};
use footlight_client::video::mailbox::Sender;
use str0m::media::MediaKind;
use tokio::sync::mpsc;

async fn connection(connections: &mut mpsc::Receiver<Peer>) -> Peer {
    let connection = tokio::time::timeout(PATIENCE, connections.recv()).await;
    connection.expect("an offer in time").expect("a server")
}

async fn next(peer: &mut Peer, kind: MediaKind) -> Received {
    let receiving = async {
        loop {
            let unit = peer.media.recv().await.expect("a connection");
            if unit.kind == kind {
                return unit;
            }
        }
    };
    tokio::time::timeout(PATIENCE, receiving).await.expect("media in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn picture_and_sound_flow_and_a_farewell_is_said() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let publisher = Publisher::start(config(server.address)).await.expect("starts");
    let mut peer = connection(&mut connections).await;
    let first = next(&mut peer, MediaKind::Video).await;
    assert!(first.keyframe, "nothing can be decoded before a keyframe");
    next(&mut peer, MediaKind::Audio).await;
    let status = reached(&mut publisher.status(), State::Live).await;
    assert_eq!(status.watch_url, "http://server/watch/show");

    let ending = publisher.stop().await.expect("ends well");
    assert_eq!(ending, Ending::Stopped);
    assert_eq!(server.deleted(), ["0"]);
    assert!(
        server.ended(),
        "a session that was made for this publisher ends with it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_udp_is_blocked_media_goes_over_tcp() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::TcpOnly, &[]).await;
    let publisher = Publisher::start(config(server.address)).await.expect("starts");
    let mut peer = connection(&mut connections).await;
    assert!(next(&mut peer, MediaKind::Video).await.keyframe);
    for _ in 0..20 {
        next(&mut peer, MediaKind::Video).await;
    }
    next(&mut peer, MediaKind::Audio).await;
    publisher.stop().await.expect("ends well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_loss_indication_is_answered_by_a_keyframe() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let publisher = Publisher::start(config(server.address)).await.expect("starts");
    let mut peer = connection(&mut connections).await;
    assert!(next(&mut peer, MediaKind::Video).await.keyframe);
    for _ in 0..30 {
        next(&mut peer, MediaKind::Video).await;
    }
    assert!(
        !next(&mut peer, MediaKind::Video).await.keyframe,
        "keyframes come on request only"
    );
    peer.ask_for_keyframe();
    let mut frames = 0;
    while !next(&mut peer, MediaKind::Video).await.keyframe {
        frames += 1;
        assert!(frames < 60, "two seconds of pictures without the keyframe");
    }
    publisher.stop().await.expect("ends well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_has_no_use_for_is_not_sent() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let publisher = Publisher::start(config(server.address)).await.expect("starts");
    let mut peer = connection(&mut connections).await;
    next(&mut peer, MediaKind::Video).await;
    let mut status = publisher.status();
    let mut target = async |wanted: fn(u32) -> bool| {
        let waiting = status.wait_for(|status| wanted(status.target_bps.bps()));
        let reached = tokio::time::timeout(PATIENCE, waiting).await;
        reached.expect("in time").expect("the publisher reports");
    };
    target(|bps| bps > 300_000).await;
    peer.limit(200_000);
    target(|bps| bps > 0 && bps < 200_000).await;
    peer.limit(10_000_000_000);
    target(|bps| bps > 300_000).await;
    publisher.stop().await.expect("ends well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_is_met_again_in_the_same_session() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let publisher = Publisher::start(config(server.address)).await.expect("starts");
    let mut status = publisher.status();
    let mut peer = connection(&mut connections).await;
    next(&mut peer, MediaKind::Video).await;
    reached(&mut status, State::Live).await;

    drop(peer);
    reached(&mut status, State::Reconnecting).await;
    let mut peer = connection(&mut connections).await;
    assert!(
        next(&mut peer, MediaKind::Video).await.keyframe,
        "the new connection starts with a keyframe"
    );
    let live = reached(&mut status, State::Live).await;
    assert_eq!(
        (live.reconnects, live.watch_url.as_str()),
        (1, "http://server/watch/show")
    );
    publisher.stop().await.expect("ends well");
}

/// A network's page to sign in on, a proxy whose server is away: none of them is the server's own last word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_answers_on_the_way_back_do_not_end_a_broadcast() {
    const ODD: [u16; 4] = [200, 302, 403, 405];
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let mut publisher = Publisher::start(config(server.address)).await.expect("starts");
    let mut status = publisher.status();
    let peer = connection(&mut connections).await;
    reached(&mut status, State::Live).await;

    server.refuse(&ODD);
    drop(peer);
    reached(&mut status, State::Reconnecting).await;
    let peer = connection(&mut connections).await;
    reached(&mut status, State::Live).await;
    assert_eq!(server.offers(), 1 + ODD.len() + 1);

    server.refuse(&[401]);
    drop(peer);
    let ended = tokio::time::timeout(PATIENCE, publisher.ended())
        .await
        .expect("gives up");
    assert!(ended.expect_err("a refusal").to_string().contains("401"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_at_its_address_gets_the_stream_back() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let address = server.address;
    let publisher = Publisher::start(config(address)).await.expect("starts");
    let mut status = publisher.status();
    let mut peer = connection(&mut connections).await;
    next(&mut peer, MediaKind::Video).await;
    reached(&mut status, State::Live).await;

    drop((server, peer));
    let away = reached(&mut status, State::Reconnecting).await;
    assert!(away.reason.is_some());
    let (_server, mut connections) = FakeServer::start(&address.to_string(), MediaPath::Udp, &[]).await;
    let mut peer = connection(&mut connections).await;
    assert!(next(&mut peer, MediaKind::Video).await.keyframe);
    reached(&mut status, State::Live).await;
    publisher.stop().await.expect("ends well");
}

/// A camera that tells when it is let go.
struct Told {
    _released: std::sync::mpsc::Sender<()>,
}

impl VideoCapture for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn capture(&mut self, _: &Sender) -> Result<(), CaptureError> {
        std::thread::sleep(Duration::from_millis(20));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_is_dropped_on_air_lets_its_devices_go() {
    let (server, _connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let (released, release) = std::sync::mpsc::channel();
    let source = CustomVideo::new("told", move |_| {
        Ok(Box::new(Told {
            _released: released.clone(),
        }))
    });
    let mut config = config(server.address);
    config.pipeline.video = Some(VideoSource::Custom(source));
    let publisher = Publisher::start(config).await.expect("starts");
    reached(&mut publisher.status(), State::Live).await;
    drop(publisher);
    let released = tokio::task::spawn_blocking(move || release.recv_timeout(PATIENCE));
    assert_eq!(released.await.expect("no panic"), Err(RecvTimeoutError::Disconnected));
}

/// The sender reports say when each unit was captured. That is before it arrived and, on one machine, not long before;
/// and it is said for both tracks on one clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sender_reports_tell_the_time_of_capture() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let publisher = Publisher::start(config(server.address)).await.expect("starts");
    let mut peer = connection(&mut connections).await;
    for kind in [MediaKind::Video, MediaKind::Audio] {
        let (captured, arrived) = loop {
            let unit = next(&mut peer, kind).await;
            if let Some(captured) = unit.captured {
                break (captured, unit.arrived);
            }
        };
        let age = arrived.duration_since(captured).unwrap_or_else(|early| {
            assert!(
                early.duration() < Duration::from_millis(1),
                "{kind}: captured after it arrived"
            );
            Duration::ZERO
        });
        assert!(age < Duration::from_secs(5), "{kind}: {age:?} old");
        assert!(captured < SystemTime::now());
    }
    publisher.stop().await.expect("ends well");
}
