//! What the network loses is repaired, or made good by a keyframe.

use crate::server::{Network, Stage};
use crate::viewer::Viewer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_packets_are_sent_again_and_no_picture_is_missing() {
    let network = Network {
        loses_every: Some(10),
        ..Network::default()
    };
    let stage = Stage::open(network).await;
    let viewer = Viewer::join(&stage.relay).await;
    viewer.watch(10).await;
    let before = viewer.subscription.sample().expect("something has come");
    let shown = viewer.watch(150).await;
    let after = viewer.subscription.sample().expect("something has come");
    assert!(shown.windows(2).all(|pair| pair[0].number < pair[1].number));
    assert!(stage.relay.seen().lost > 10, "{:?}", stage.relay.seen());
    assert!(after.packets_lost > before.packets_lost, "{after:?}");
    // Whatever was lost came again in time: decoding never had to begin anew.
    assert_eq!(after.keyframes_requested, before.keyframes_requested, "{after:?}");
    let dropped = after.frames_dropped - before.frames_dropped;
    assert!(dropped <= 3, "{dropped} of 150");
    viewer.subscription.close().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_sent_again_a_keyframe_makes_it_good() {
    let network = Network {
        loses_every: Some(20),
        forgets: true,
    };
    let stage = Stage::open(network).await;
    let viewer = Viewer::join(&stage.relay).await;
    let shown = viewer.watch(60).await;
    assert!(shown.windows(2).all(|pair| pair[0].number < pair[1].number));
    let sample = viewer.subscription.sample().expect("something has come");
    assert!(sample.keyframes_requested > 1, "{sample:?}");
    let seen = stage.relay.seen();
    assert!(seen.keyframes_asked > 1 && seen.lost > 0, "{seen:?}");
    viewer.subscription.close().await;
    stage.close().await;
}
