use super::*;
use crate::units::Bitrate;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_on_a_thread_without_a_runtime_closes_the_connection() {
    let budget = Budget::new(Bitrate::from_kbps(96), Bitrate::from_kbps(500));
    let (peer, _) = Peer::offer(PeerSetup {
        host: "127.0.0.1",
        clock: MediaClock::start(),
        sources: &[TrackSource::Camera],
        layers: 1,
        budget,
        start: budget.start(None),
        feedback: Arc::new(Feedback::new(|_, _| {})),
    })
    .await
    .expect("an offer");
    let mut state = peer.state();
    std::thread::spawn(move || drop(peer)).join().expect("no panic");
    // Whoever tells of the state is a part of the connection, and ends with it.
    let ended = async { while state.changed().await.is_ok() {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("it is closed");
}
