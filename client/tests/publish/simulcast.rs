//! A picture in several sizes at once, against a media engine that learns of them as it does of a browser's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use footlight_client::publish::{PublishConfig, Publisher};
use footlight_client::units::{Bitrate, Resolution};
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;
use str0m::media::MediaKind;

use crate::server::{FakeServer, MediaPath, PATIENCE, Peer, Received, config};

fn in_three_sizes(address: std::net::SocketAddr) -> PublishConfig {
    let mut config = config(address);
    config.pipeline.simulcast = true;
    config.pipeline.size = Resolution::new(960, 540);
    config.pipeline.fps = 15;
    config.pipeline.max_bitrate = Bitrate::from_kbps(2_500);
    config
}

async fn next_picture(peer: &mut Peer) -> Received {
    let receiving = async {
        loop {
            let unit = peer.media.recv().await.expect("a connection");
            if unit.kind == MediaKind::Video {
                return unit;
            }
        }
    };
    tokio::time::timeout(PATIENCE, receiving).await.expect("media in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_sizes_arrive_under_their_names_and_each_can_be_decoded_by_itself() {
    let (server, mut connections) = FakeServer::start("127.0.0.1:0", MediaPath::Udp, &[]).await;
    let publisher = Publisher::start(in_three_sizes(server.address)).await.expect("starts");
    let mut peer = tokio::time::timeout(PATIENCE, connections.recv())
        .await
        .expect("an offer in time")
        .expect("a server");
    let mut decoders = BTreeMap::new();
    let mut heights = BTreeMap::new();
    let mut decoded: BTreeMap<String, u32> = BTreeMap::new();
    let begun = Instant::now();
    while decoded.len() < 3 || decoded.values().any(|count| *count < 20) {
        assert!(begun.elapsed() < PATIENCE, "pictures of each layer: {decoded:?}");
        let unit = next_picture(&mut peer).await;
        let rid = unit.rid.expect("a name");
        let reading = decoders
            .entry(rid.clone())
            .or_insert_with(|| Decoder::new().expect("a decoder"));
        let picture = reading.decode(&unit.data).expect("no reference is missing");
        if let Some(picture) = picture {
            heights.insert(rid.clone(), picture.dimensions().1);
            *decoded.entry(rid).or_default() += 1;
        }
    }
    let expected = [("f", 540), ("h", 270), ("q", 134)].map(|(rid, height)| (rid.to_owned(), height));
    assert_eq!(heights, BTreeMap::from(expected));

    // A keyframe of one layer is asked for, and the others go on as they are.
    peer.ask_for_keyframe_of_layer("h");
    let mut keyframes = BTreeSet::new();
    let mut after = 0;
    let asked = Instant::now();
    while after < 30 {
        assert!(asked.elapsed() < PATIENCE, "keyframes of {keyframes:?}");
        let unit = next_picture(&mut peer).await;
        after += u32::from(!keyframes.is_empty());
        if unit.keyframe {
            keyframes.insert(unit.rid.expect("a name"));
        }
    }
    assert_eq!(keyframes, BTreeSet::from(["h".to_owned()]));
    publisher.stop().await.expect("ends well");
}
