//! What is published is seen and heard.

use std::time::Duration;

use footlight_client::audio::SAMPLE_RATE;
use footlight_client::audio::tone::{TONE_HZ, TONE_PEAK};
use footlight_client::clock::MediaTime;
use footlight_client::subscribe::TransportState;

use crate::server::{Network, PATIENCE, Stage};
use crate::viewer::{Shown, Viewer, length, power};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_go_forward_and_the_tone_is_heard() {
    let stage = Stage::open(Network::default()).await;
    let mut viewer = Viewer::join(&stage.relay).await;
    viewer.watch(30).await;
    viewer.listen();
    let mut heard = Vec::new();
    let mut shown = Vec::new();
    for _ in 0..10 {
        shown.extend(viewer.watch(9).await);
        heard.extend(viewer.listen().into_iter().flat_map(|(_, samples)| samples));
    }
    assert!(
        shown.windows(2).all(|pair| pair[0].number < pair[1].number),
        "{shown:?}"
    );
    assert!(heard.len() > SAMPLE_RATE as usize, "{} samples", heard.len());
    let tone = power(&heard, TONE_HZ as f32);
    let others = [220.0, 350.0, 550.0, 660.0, 880.0, 1_320.0].map(|hertz| power(&heard, hertz));
    let loudest = others.into_iter().fold(0.0, f32::max);
    assert!(tone > 50.0 * loudest, "{tone} against {loudest}");

    let sample = viewer.subscription.sample().expect("something has come");
    assert_eq!(
        (sample.width, sample.height, sample.video_codec),
        (320, 180, Some("H264"))
    );
    assert!(
        sample.frames_decoded >= 100 && sample.frames_of_largest == sample.frames_decoded,
        "{sample:?}"
    );
    assert!(sample.video_bytes > 10_000 && sample.audio_bytes > 10_000, "{sample:?}");
    assert!(
        sample.jitter_ms.is_some() && sample.decode_ms > 0.0 && sample.buffered_frames > 0,
        "{sample:?}"
    );
    assert_eq!(sample.packets_lost, 0, "{sample:?}");
    assert!(
        stage.relay.seen().estimates > 0,
        "transport-wide feedback reaches the server"
    );
    viewer.subscription.close().await;
    stage.close().await;
}

/// When flashes begin and when clicks begin.
async fn flashes_and_clicks(viewer: &mut Viewer, count: usize) -> (Vec<MediaTime>, Vec<MediaTime>) {
    let (mut flashes, mut clicks): (Vec<MediaTime>, Vec<MediaTime>) = (Vec::new(), Vec::new());
    let mut before: Option<Shown> = None;
    while flashes.len() < count || clicks.len() < count {
        for shown in viewer.watch(3).await {
            let begins = shown.luma > 126 && before.is_some_and(|before| before.luma <= 126);
            if begins {
                flashes.push(shown.at);
            }
            before = Some(shown);
        }
        for (heard, samples) in viewer.listen() {
            let loud = samples.iter().position(|value| value.abs() > 2.5 * TONE_PEAK);
            let is_new = clicks
                .last()
                .is_none_or(|last| heard.saturating_since(*last) > Duration::from_millis(200));
            if let Some(place) = loud.filter(|_| is_new) {
                clicks.push(heard.plus(length(place)));
            }
        }
    }
    (flashes, clicks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn click_and_flash_come_together() {
    let stage = Stage::open(Network::default()).await;
    let mut viewer = Viewer::join(&stage.relay).await;
    // Sender reports come once a second, and both kinds need one.
    viewer.watch(60).await;
    viewer.listen();
    let (flashes, clicks) = flashes_and_clicks(&mut viewer, 4).await;
    let apart: Vec<i128> = flashes
        .iter()
        .filter_map(|flash| {
            let flash = flash.as_duration().as_millis() as i128;
            let distances = clicks
                .iter()
                .map(|click| flash - click.as_duration().as_millis() as i128);
            distances
                .min_by_key(|distance| distance.abs())
                .filter(|distance| distance.abs() < 500)
        })
        .collect();
    println!("flash after click, in ms: {apart:?}");
    assert!(apart.len() >= 2, "{flashes:?} {clicks:?}");
    assert!(apart.iter().all(|apart| apart.abs() <= 100), "{apart:?} ms");
    viewer.subscription.close().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_is_reported() {
    let stage = Stage::open(Network::default()).await;
    let viewer = Viewer::join(&stage.relay).await;
    viewer.watch(5).await;
    stage.relay.silence();
    viewer.reached(TransportState::Interrupted).await;
    viewer.reached(TransportState::Failed).await;
    viewer.subscription.close().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_muted_is_silent_and_comes_back() {
    let stage = Stage::open(Network::default()).await;
    let mut viewer = Viewer::join(&stage.relay).await;
    let audio = viewer.subscription.slots()[0].0.clone();
    for (muted, of_slot) in [(true, true), (false, true), (true, false), (false, false)] {
        if of_slot {
            viewer.subscription.mute_slot(&audio, muted).expect("a slot");
        } else {
            viewer.subscription.mute(muted);
        }
        let changed = viewer.clock.now().plus(Duration::from_millis(50));
        let listening = async {
            let mut heard = Vec::new();
            while heard.len() < SAMPLE_RATE as usize / 5 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let blocks = viewer.listen().into_iter().filter(|(at, _)| *at > changed);
                heard.extend(blocks.flat_map(|(_, samples)| samples));
                // Nothing has come yet when the connection is new.
                if !muted && power(&heard, TONE_HZ as f32) < 1e-5 {
                    heard.clear();
                }
            }
            heard
        };
        let heard = tokio::time::timeout(PATIENCE, listening).await.expect("it goes on");
        assert_eq!(heard.iter().all(|value| value.abs() < 1e-6), muted);
    }
    viewer.subscription.close().await;
    stage.close().await;
}
