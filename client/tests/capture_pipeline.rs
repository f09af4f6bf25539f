//! The whole pipeline on its own sources: what comes out is decoded and looked at.

use std::time::Duration;

use footlight_client::{
    pipeline::{
        AudioSource, EncodedVideo, MediaOutput, Pipeline, PipelineConfig, PipelineError, Preview, SourceState,
        VideoSource,
    },
    units::{Bitrate, Resolution},
    video::strip,
};
use openh264::{decoder::Decoder, formats::YUVSource};
use tokio::sync::mpsc;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn pattern_and_tone() -> PipelineConfig {
    PipelineConfig {
        video: Some(VideoSource::Pattern),
        audio: Some(AudioSource::Tone),
        size: Resolution::new(320, 180),
        fps: 30,
        max_bitrate: Bitrate::from_kbps(500),
        ..PipelineConfig::default()
    }
}

async fn next<T>(receiver: &mut mpsc::Receiver<T>) -> T {
    tokio::time::timeout(PATIENCE, receiver.recv())
        .await
        .expect("media in time")
        .expect("the pipeline runs")
}

async fn next_keyframe(receiver: &mut mpsc::Receiver<EncodedVideo>) -> EncodedVideo {
    loop {
        let unit = next(receiver).await;
        if unit.keyframe {
            return unit;
        }
    }
}

#[tokio::test]
async fn decoded_frames_go_forward_and_say_when_they_were_captured() {
    let (pipeline, mut output) = Pipeline::start(pattern_and_tone()).expect("starts");
    let mut decoder = Decoder::new().expect("a decoder");
    let mut last = 0;
    for _ in 0..30 {
        let unit = next(&mut output.video).await;
        assert_eq!((unit.width, unit.height), (320, 180));
        let picture = decoder
            .decode(&unit.data)
            .expect("decodes")
            .expect("one picture for each access unit");
        let reading = strip::read(picture.y(), picture.strides().0, 320, 180).expect("a strip");
        assert!(reading.frame_number > last);
        assert_eq!(reading.capture_unix_ms, pipeline.clock().unix_ms(unit.capture));
        last = reading.frame_number;
    }
    let video = pipeline.stats().video.expect("there is video");
    assert_eq!(video.state, SourceState::Live);
    assert!(video.frames_encoded >= 30 && video.frames_captured >= 30);
}

#[tokio::test]
async fn packets_of_sound_follow_each_other_without_a_gap() {
    let (pipeline, mut output) = Pipeline::start(pattern_and_tone()).expect("starts");
    let mut expected = next(&mut output.audio).await.capture;
    for _ in 0..25 {
        expected = expected.plus(Duration::from_millis(20));
        let packet = next(&mut output.audio).await;
        assert_eq!(packet.samples, 960);
        let gap = packet.capture.as_duration().abs_diff(expected.as_duration());
        assert!(gap < Duration::from_micros(1), "{gap:?}");
    }
    let level = pipeline.audio_level();
    assert!((-19.0..-1.0).contains(&level), "{level} dBFS");
}

#[tokio::test]
async fn mute_keeps_the_track_alive() {
    let (pipeline, mut output) = Pipeline::start(pattern_and_tone()).expect("starts");
    pipeline.set_muted(true);
    assert!(pipeline.muted());
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).expect("a decoder");
    let mut peak = 1.0;
    for _ in 0..50 {
        let mut samples = [0.0; 1920];
        decoder
            .decode_float(&next(&mut output.audio).await.data, &mut samples, false)
            .expect("decodes");
        peak = samples.iter().fold(0.0f32, |peak, value| value.abs().max(peak));
    }
    assert!(peak < 0.001, "{peak}");
    assert!(pipeline.audio_level() > -25.0, "the meter still hears the source");
}

#[tokio::test]
async fn a_requested_keyframe_comes_once() {
    let (pipeline, mut output) = Pipeline::start(pattern_and_tone()).expect("starts");
    assert!(
        next(&mut output.video).await.keyframe,
        "the first picture is a keyframe"
    );
    pipeline.request_keyframe();
    pipeline.request_keyframe();
    next_keyframe(&mut output.video).await;
    for _ in 0..20 {
        assert!(!next(&mut output.video).await.keyframe);
    }
}

#[tokio::test]
async fn a_slow_receiver_loses_pictures_and_needs_no_keyframe() {
    let (pipeline, mut output) = Pipeline::start(pattern_and_tone()).expect("starts");
    while pipeline.stats().video.expect("there is video").frames_dropped < 5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut decoder = Decoder::new().expect("a decoder");
    let mut last = 0;
    for n in 0..20 {
        let unit = next(&mut output.video).await;
        assert_eq!(unit.keyframe, n == 0);
        let picture = decoder
            .decode(&unit.data)
            .expect("no reference is missing")
            .expect("a picture");
        let reading = strip::read(picture.y(), picture.strides().0, 320, 180).expect("a strip");
        assert!(reading.frame_number > last);
        last = reading.frame_number;
    }
}

/// The picture's height and frame rate, as the pictures themselves tell, once both are as wanted.
async fn settles_at(output: &mut MediaOutput, decoder: &mut Decoder, height: usize, most_fps: f64) {
    let mut last = None;
    loop {
        let unit = next(&mut output.video).await;
        let picture = decoder
            .decode(&unit.data)
            .expect("no reference is missing")
            .expect("a picture");
        assert_eq!(picture.dimensions(), (unit.width as usize, unit.height as usize));
        let size = picture.dimensions();
        assert_eq!(size.0, size.1 * 16 / 9, "its aspect stays");
        // The pattern's numbers are there in each size: it is the same picture.
        if size.1 >= 180 {
            strip::read(picture.y(), picture.strides().0, size.0, size.1).expect("a strip");
        }
        let gap = last.map(|last| unit.capture.saturating_since(last).as_secs_f64());
        assert!(
            gap.is_none_or(|gap| gap > 0.0),
            "time on the track never runs backwards"
        );
        last = Some(unit.capture);
        if size.1 == height && gap.is_some_and(|gap| gap > 0.75 / most_fps) {
            return;
        }
    }
}

#[tokio::test]
async fn a_falling_bitrate_makes_pictures_fewer_then_smaller_then_none_and_a_rising_one_brings_them_back() {
    let config = PipelineConfig {
        size: Resolution::new(640, 360),
        ..pattern_and_tone()
    };
    let (pipeline, mut output) = Pipeline::start(config).expect("starts");
    let video = || pipeline.stats().video.expect("there is video");
    let mut decoder = Decoder::new().expect("a decoder");
    settles_at(&mut output, &mut decoder, 360, 30.0).await;
    pipeline.set_target_bitrate(Bitrate::from_kbps(200));
    settles_at(&mut output, &mut decoder, 360, 15.0).await;
    pipeline.set_target_bitrate(Bitrate::from_kbps(80));
    settles_at(&mut output, &mut decoder, 180, 15.0).await;
    pipeline.set_target_bitrate(Bitrate::from_bps(1));
    while video().target_fps > 0.0 {
        tokio::select! {
            Some(unit) = output.video.recv() => drop(decoder.decode(&unit.data).expect("no reference is missing")),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
    // What was on its way is used up; then sound goes on, and no picture comes.
    while let Ok(unit) = output.video.try_recv() {
        decoder.decode(&unit.data).expect("no reference is missing");
    }
    for _ in 0..50 {
        next(&mut output.audio).await;
    }
    assert!(output.video.try_recv().is_err(), "no picture");
    pipeline.set_target_bitrate(Bitrate::from_kbps(9_000));
    assert_eq!(
        video().target_bitrate,
        Bitrate::from_kbps(500),
        "the configured ceiling"
    );
    let first = next(&mut output.video).await;
    assert!(first.keyframe, "what viewers hold is too old to go on from");
    decoder.decode(&first.data).expect("decodes");
    settles_at(&mut output, &mut decoder, 360, 30.0).await;
}

#[tokio::test]
async fn a_camera_that_cannot_be_had_leaves_the_old_source_on_air() {
    let (pipeline, mut output) = Pipeline::start(pattern_and_tone()).expect("starts");
    next(&mut output.video).await;
    let camera = VideoSource::Camera(footlight_client::devices::DeviceChoice::Matching(
        "no such camera \u{1f4f7}".into(),
    ));
    let error = pipeline.switch_video(camera).expect_err("there is no such camera");
    assert!(matches!(error, PipelineError::Video(_)), "{error}");
    for _ in 0..10 {
        next(&mut output.video).await;
    }
    assert_eq!(pipeline.stats().video.expect("there is video").source, "test pattern");
}

#[tokio::test]
async fn both_streams_end_with_the_pipeline() {
    let (pipeline, mut output) = Pipeline::start(pattern_and_tone()).expect("starts");
    next(&mut output.video).await;
    pipeline.stop();
    while output.video.recv().await.is_some() {}
    while output.audio.recv().await.is_some() {}
}

#[tokio::test]
async fn a_track_without_a_source_is_closed_from_the_start() {
    let config = PipelineConfig {
        audio: None,
        ..pattern_and_tone()
    };
    let (_pipeline, mut output) = Pipeline::start(config).expect("starts");
    assert!(output.audio.recv().await.is_none());
    next(&mut output.video).await;
    let nothing = PipelineConfig {
        audio: None,
        video: None,
        ..PipelineConfig::default()
    };
    assert!(matches!(Pipeline::start(nothing), Err(PipelineError::NothingToCapture)));
}

async fn look(preview: &Preview) -> Option<(u32, Resolution)> {
    let copy = tokio::time::timeout(PATIENCE, preview.receive())
        .await
        .expect("a preview in time")?;
    let reading = strip::read(&copy.y, copy.width(), copy.width(), copy.height()).expect("a strip");
    let seen = (reading.frame_number, copy.size());
    preview.recycle(copy);
    Some(seen)
}

#[tokio::test]
async fn a_preview_shows_small_copies_while_nothing_is_encoded() {
    let config = PipelineConfig {
        size: Resolution::HD,
        ..pattern_and_tone()
    };
    let (pipeline, mut output) = Pipeline::start(config).expect("starts");
    pipeline.set_encoding(false);
    let preview = pipeline.preview(Resolution::new(640, 480)).expect("there is video");
    let first = look(&preview).await.expect("a copy");
    assert_eq!(first.1, Resolution::new(640, 360), "as large as fits, in its own shape");
    // What was on the way when encoding ended.
    while output.video.try_recv().is_ok() {}
    let encoded = pipeline.stats().video.expect("there is video").frames_encoded;
    for _ in 0..10 {
        look(&preview).await.expect("a copy");
    }
    let stats = pipeline.stats().video.expect("there is video");
    assert_eq!(stats.frames_encoded, encoded, "nothing is encoded for a preview");

    let next_preview = pipeline.preview(Resolution::new(320, 180)).expect("there is video");
    let seen = look(&next_preview).await.expect("a copy");
    assert!(seen.0 > first.0 && seen.1 == Resolution::new(320, 180), "{seen:?}");
    while let Some(seen) = look(&preview).await {
        assert_eq!(seen.1, Resolution::new(640, 360), "one that was on the way");
    }

    pipeline.set_encoding(true);
    assert!(
        next(&mut output.video).await.keyframe,
        "whoever watches now has seen nothing before"
    );
    next(&mut output.audio).await;
    drop(pipeline);
    while look(&next_preview).await.is_some() {}
}
