//! Offers and answers.

use std::time::Instant;

use footlight_client::audio::playback::{Output, SoundState};
use footlight_client::clock::MediaClock;
use footlight_client::subscribe::{EncodedCodec, SubscribeError, SubscribeSetup, Subscription, Wanted};
use footlight_client::video::mailbox::Delivery;
use footlight_protocol::MediaKind;

use crate::server::{Network, PATIENCE, Stage};
use crate::viewer::{Viewer, answer};

/// What is offered, each once, in the order of the alphabet.
fn formats(offer: &str) -> Vec<&str> {
    let formats = offer
        .lines()
        .filter_map(|line| line.strip_prefix("a=rtpmap:")?.split(' ').nth(1));
    let mut formats: Vec<_> = formats.collect();
    formats.sort_unstable();
    formats.dedup();
    formats
}

fn setup(wanted: Wanted) -> SubscribeSetup {
    SubscribeSetup {
        host: "127.0.0.1".to_owned(),
        wanted,
        encoded: Vec::new(),
        output: Output::None,
        clock: MediaClock::start(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_can_be_decoded_is_offered() {
    let (subscription, offer) = Subscription::offer(setup(Wanted { audio: 2, video: 3 }))
        .await
        .expect("an offer");
    assert_eq!(formats(&offer), ["H264/90000", "opus/48000/2", "rtx/90000"]);
    assert_eq!(offer.matches("a=recvonly").count(), 5);
    assert_eq!(offer.matches("m=audio").count(), 2);
    for feature in ["transport-cc", "nack pli", "urn:3gpp:video-orientation", "apt=102"] {
        assert!(offer.contains(feature), "{feature}");
    }
    let kinds: Vec<_> = subscription.slots().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(
        kinds,
        [
            MediaKind::Audio,
            MediaKind::Audio,
            MediaKind::Video,
            MediaKind::Video,
            MediaKind::Video
        ]
    );
    for (mid, _) in subscription.slots() {
        assert!(offer.contains(&format!("a=mid:{mid}\r\n")), "{mid}");
    }
    assert_eq!(*subscription.sound().borrow(), SoundState::Off);
    assert_eq!(subscription.sample(), None, "nothing has come");
    subscription.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_caller_decodes_is_offered_after_h264() {
    let setup = SubscribeSetup {
        encoded: EncodedCodec::ALL.to_vec(),
        ..setup(Wanted { audio: 0, video: 1 })
    };
    let (subscription, offer) = Subscription::offer(setup).await.expect("an offer");
    assert_eq!(
        formats(&offer),
        ["AV1/90000", "H264/90000", "VP8/90000", "VP9/90000", "rtx/90000"]
    );
    let section = offer
        .lines()
        .find(|line| line.starts_with("m=video"))
        .expect("a picture");
    let place = |payload_type: &str| section.split(' ').position(|word| word == payload_type);
    for (payload_type, retransmitted) in [("96", "97"), ("98", "99"), ("45", "46")] {
        assert!(
            place("102").expect("H.264") < place(payload_type).expect("offered"),
            "{section}"
        );
        assert!(
            offer.contains(&format!("a=fmtp:{retransmitted} apt={payload_type}")),
            "{offer}"
        );
    }
    let (mid, _) = subscription.slots().remove(0);
    assert!(subscription.encoded_pictures(&mid).is_ok() && subscription.encoded_pictures("99").is_err());
    subscription.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_slots_are_a_new_offer_and_the_media_goes_on() {
    let stage = Stage::open(Network::default()).await;
    let viewer = Viewer::join(&stage.relay).await;
    viewer.watch(10).await;
    let before = viewer.subscription.slots();
    let offer = viewer
        .subscription
        .extend(Wanted { audio: 3, video: 2 })
        .await
        .expect("an offer");
    let pending = viewer.subscription.extend(Wanted { audio: 3, video: 2 }).await;
    assert!(matches!(pending, Err(SubscribeError::OfferPending)));
    let answer = answer(&stage.relay, offer).await;
    viewer.subscription.accept(&answer).await.expect("an answer");
    let after = viewer.subscription.slots();
    assert_eq!(after.len(), 5);
    assert!(before.iter().all(|slot| after.contains(slot)), "{before:?} {after:?}");
    let shown = viewer.watch(30).await;
    assert!(shown.windows(2).all(|pair| pair[0].number < pair[1].number));
    viewer.subscription.close().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_in_words() {
    let (subscription, _) = Subscription::offer(setup(Wanted { audio: 1, video: 1 }))
        .await
        .expect("an offer");
    assert!(matches!(
        subscription.accept("nonsense").await,
        Err(SubscribeError::WebRtc(_))
    ));
    assert!(matches!(subscription.accept("v=0").await, Err(SubscribeError::NoOffer)));
    let error = subscription.pictures("99").expect_err("no slot").to_string();
    assert!(error.contains("video") && error.contains("99"), "{error}");
    let (audio, video) = (&subscription.slots()[0].0, &subscription.slots()[1].0);
    assert!(subscription.pictures(audio).is_err(), "a sound has no pictures");
    assert!(subscription.mute_slot(video, true).is_err());
    assert!(subscription.pair(video, Some(audio)).is_ok() && subscription.pair(audio, None).is_err());
    let many = Subscription::offer(setup(Wanted { audio: 1, video: 4_000 })).await;
    assert!(many.expect_err("too many").to_string().contains("4000"));
    subscription.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_on_a_thread_without_a_runtime_closes_the_connection() {
    let (subscription, _) = Subscription::offer(setup(Wanted { audio: 1, video: 1 }))
        .await
        .expect("an offer");
    let mut state = subscription.state();
    std::thread::spawn(move || drop(subscription)).join().expect("no panic");
    // Whoever tells of the state is a part of the connection, and ends with it.
    let ended = async { while state.changed().await.is_ok() {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("it is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_the_wait_for_pictures() {
    let (subscription, _) = Subscription::offer(setup(Wanted { audio: 0, video: 1 }))
        .await
        .expect("an offer");
    let pictures = subscription.pictures(&subscription.slots()[0].0).expect("a slot");
    let waiting = tokio::task::spawn_blocking(move || pictures.take(Instant::now() + PATIENCE));
    subscription.close().await;
    assert!(matches!(waiting.await.expect("no panic"), Delivery::Closed));
}
