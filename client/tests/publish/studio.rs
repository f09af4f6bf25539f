//! A studio, whose room somebody else keeps: here, the test.

use std::collections::HashMap;
use std::sync::Arc;

use footlight_client::audio::voice::VoiceProcessing;
use footlight_client::pipeline::{AudioSource, VideoSource};
use footlight_client::studio::{Connection, ConnectionState, SourceConfig, Studio, StudioError};
use footlight_client::units::{Bitrate, Resolution};
use footlight_protocol::TrackSource;
use str0m::media::MediaKind;

use crate::server::{MediaPath, PATIENCE, Peer, Received};

/// Units of media that a test may leave unread.
const UNREAD: usize = 4096;

fn picture(height: u32) -> SourceConfig {
    SourceConfig::Picture {
        source: VideoSource::Pattern,
        size: Resolution::new(height * 16 / 9, height),
        fps: 30,
        bitrate: Bitrate::from_kbps(500),
    }
}

fn sound() -> SourceConfig {
    SourceConfig::Sound {
        source: AudioSource::Tone,
        bitrate: Bitrate::from_kbps(64),
        voice: VoiceProcessing::OFF,
    }
}

/// A camera and a microphone.
fn studio() -> Arc<Studio> {
    let studio = Studio::new();
    studio.open(TrackSource::Camera, picture(180)).expect("a pattern");
    studio.open(TrackSource::Microphone, sound()).expect("a tone");
    Arc::new(studio)
}

async fn connected(studio: &Arc<Studio>) -> (Connection, Peer, HashMap<TrackSource, String>) {
    let sources = studio.places();
    let (connection, offer) = Connection::offer(Arc::clone(studio), "127.0.0.1", &sources)
        .await
        .expect("an offer");
    let sections = offer.sources.into_iter().map(|(mid, source)| (source, mid)).collect();
    let (peer, answer) = Peer::answer(&offer.sdp, MediaPath::Udp, UNREAD);
    connection.accept(&answer).await.expect("takes the answer");
    let mut state = connection.state();
    let reached = state.wait_for(|state| *state == ConnectionState::Connected);
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("connects in time")
        .expect("a state");
    (connection, peer, sections)
}

/// The next unit of media that is wanted.
async fn heard(peer: &mut Peer, wanted: impl Fn(&Received) -> bool) -> Received {
    let looking = async {
        loop {
            let unit = peer.media.recv().await.expect("media");
            if wanted(&unit) {
                return unit;
            }
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("media in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_studio_goes_on_air_and_off_again() {
    let studio = studio();
    let encoded = |studio: &Studio| {
        let stats = studio.stats().sources.into_iter();
        stats
            .filter_map(|source| source.video)
            .map(|video| video.frames_encoded)
            .sum::<u64>()
    };
    assert_eq!(encoded(&studio), 0, "nothing is encoded for nobody");
    let (connection, mut peer, sections) = connected(&studio).await;
    let first = heard(&mut peer, |unit| unit.kind == MediaKind::Video).await;
    assert!(first.keyframe && first.mid == sections[&TrackSource::Camera]);
    let sound = heard(&mut peer, |unit| unit.kind == MediaKind::Audio).await;
    assert_eq!(sound.mid, sections[&TrackSource::Microphone]);
    assert!(connection.stats().frames_sent > 0 && connection.stats().bytes_sent > 0);
    assert!(studio.stats().level_dbfs.is_some_and(|level| level > -30.0));

    connection.close().await;
    // What was being encoded at that moment.
    let preview = studio
        .preview(TrackSource::Camera, Resolution::new(160, 90))
        .expect("it is open");
    preview.receive().await.expect("the camera goes on");
    let at_the_end = encoded(&studio);
    for _ in 0..5 {
        preview.receive().await.expect("the camera goes on");
    }
    assert_eq!(encoded(&studio), at_the_end);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_closed_offers_nothing_to_those_who_still_hold_it() {
    let studio = studio();
    let (connection, ..) = connected(&studio).await;
    connection.close().await;
    let refused = connection.reoffer(&[TrackSource::Camera]).await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_comes_beside_the_camera_and_goes_on_the_same_connection() {
    let studio = studio();
    let (connection, mut peer, before) = connected(&studio).await;
    heard(&mut peer, |unit| unit.kind == MediaKind::Video).await;

    studio.open(TrackSource::Screen, picture(90)).expect("a pattern");
    let offer = connection.reoffer(&studio.places()).await.expect("an offer");
    let screen = offer.sources.iter().find(|(_, source)| **source == TrackSource::Screen);
    let screen = screen.expect("a section for it").0.clone();
    for (source, mid) in &before {
        assert_eq!(offer.sources.get(mid), Some(source), "sections stay as they are");
    }
    let answer = peer.answer_again(&offer.sdp);
    connection.accept(&answer).await.expect("takes the answer");
    assert!(heard(&mut peer, |unit| unit.mid == screen).await.keyframe);
    let camera = &before[&TrackSource::Camera];
    let goes_on = heard(&mut peer, |unit| unit.mid == *camera).await;
    assert!(!goes_on.keyframe, "the camera is left alone");
    peer.ask_for_keyframe_of(&screen);
    assert!(
        heard(&mut peer, |unit| unit.keyframe).await.mid == screen,
        "who was asked answers"
    );

    studio.close(TrackSource::Screen);
    let offer = connection.reoffer(&studio.places()).await.expect("an offer");
    let answer = peer.answer_again(&offer.sdp);
    connection.accept(&answer).await.expect("takes the answer");
    heard(&mut peer, |unit| unit.mid == *camera).await;

    studio.open(TrackSource::Screen, picture(90)).expect("a pattern");
    let offer = connection.reoffer(&studio.places()).await.expect("an offer");
    let answer = peer.answer_again(&offer.sdp);
    connection.accept(&answer).await.expect("takes the answer");
    while peer.media.try_recv().is_ok() {}
    assert!(
        heard(&mut peer, |unit| unit.mid == screen).await.keyframe,
        "and back again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_closed_and_opened_again_goes_on_in_its_track() {
    let studio = studio();
    let (connection, mut peer, sections) = connected(&studio).await;
    for place in [TrackSource::Microphone, TrackSource::Camera] {
        let mid = &sections[&place];
        let before = heard(&mut peer, |unit| unit.mid == *mid && unit.captured.is_some()).await;
        // As when another device is chosen: it is closed before the next one is opened, and nothing is offered anew.
        studio.close(place);
        while peer.media.try_recv().is_ok() {}
        let config = if place == TrackSource::Camera {
            picture(180)
        } else {
            sound()
        };
        studio.open(place, config).expect("a source without a device");
        let after = heard(&mut peer, |unit| unit.mid == *mid && unit.captured > before.captured).await;
        assert_eq!(after.kind, before.kind);
    }
    assert_eq!(*connection.state().borrow(), ConnectionState::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_size_keeps_the_track() {
    let studio = studio();
    let (_connection, mut peer, sections) = connected(&studio).await;
    let camera = &sections[&TrackSource::Camera];
    // Known from the first sender report on.
    let before = heard(&mut peer, |unit| unit.mid == *camera && unit.captured.is_some()).await;
    studio.open(TrackSource::Camera, picture(270)).expect("a pattern");
    let after = heard(&mut peer, |unit| unit.mid == *camera && unit.keyframe).await;
    assert!(
        after.captured > before.captured,
        "time runs on, on one clock: {before:?} {after:?}"
    );
    let stats = studio.stats();
    let video = stats.sources.iter().find_map(|source| source.video.as_ref());
    assert_eq!(video.expect("a camera").resolution, Resolution::new(480, 270));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_can_be_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let studio = studio();
    let (_connection, mut peer, _) = connected(&studio).await;
    studio.record(folder.path(), "show").expect("records");
    assert!(matches!(
        studio.record(folder.path(), "show"),
        Err(StudioError::Recording)
    ));
    for _ in 0..60 {
        heard(&mut peer, |unit| unit.kind == MediaKind::Video).await;
    }
    let state = tokio::task::spawn_blocking({
        let studio = Arc::clone(&studio);
        move || studio.stop_recording()
    });
    let state = state.await.expect("no panic").expect("there was a recording");
    assert_eq!((state.files.len(), state.lost, state.problem), (1, 0, None));
    assert!(state.seconds > 1.0, "{} s", state.seconds);
    assert!(studio.recorded().is_none());
    // Another one can follow.
    studio.record(folder.path(), "show").expect("records");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_in_words() {
    let studio = studio();
    let wrong = studio.open(TrackSource::Microphone, picture(180));
    assert!(
        matches!(wrong, Err(StudioError::WrongKind { wanted: "picture", .. })),
        "{wrong:?}"
    );
    assert!(matches!(
        studio.set_on(TrackSource::Screen, false),
        Err(StudioError::NotOpen(TrackSource::Screen))
    ));
    let none = Connection::offer(Arc::clone(&studio), "127.0.0.1", &[]).await;
    assert!(none.expect_err("nothing to send").to_string().contains("open a camera"));
    let (connection, _) = Connection::offer(Arc::clone(&studio), "127.0.0.1", &studio.places())
        .await
        .expect("an offer");
    for nonsense in ["", "v=0", "\u{0}\u{ffff}"] {
        assert!(connection.accept(nonsense).await.is_err(), "{nonsense:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_a_voice_changes_on_air() {
    let studio = studio();
    let (_connection, mut peer, _) = connected(&studio).await;
    for _ in 0..50 {
        heard(&mut peer, |unit| unit.kind == MediaKind::Audio).await;
    }
    let audio = |studio: &Studio| studio.stats().sources.into_iter().find_map(|source| source.audio);
    let before = audio(&studio).expect("a microphone");
    assert_eq!(before.voice, VoiceProcessing::OFF);
    let SourceConfig::Sound { source, bitrate, .. } = sound() else {
        panic!("it is sound");
    };
    let voice = VoiceProcessing::ALL;
    let config = SourceConfig::Sound { source, bitrate, voice };
    studio.open(TrackSource::Microphone, config).expect("a tone");
    let after = audio(&studio).expect("a microphone");
    assert_eq!(after.voice, VoiceProcessing::ALL);
    assert!(
        after.packets_encoded >= before.packets_encoded,
        "it was not opened anew"
    );
    assert!(before.packets_encoded > 20);
    heard(&mut peer, |unit| unit.kind == MediaKind::Audio).await;
}
