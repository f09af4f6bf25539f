use std::time::Duration;

use openh264::{decoder::Decoder, formats::YUVSource};

use super::*;
use crate::{
    clock::{MediaClock, MediaTime},
    video::{pattern, strip},
};

const FPS: u32 = 30;

fn target(kbps: u32) -> EncoderTarget {
    EncoderTarget {
        bitrate: Bitrate::from_kbps(kbps),
        fps: FPS as f32,
    }
}

fn time(number: u32) -> MediaTime {
    MediaTime::from_duration(Duration::from_secs(1) * number / FPS)
}

/// The test pattern with noise over its upper part, so that there is something to spend bits on.
fn draw(frame: &mut Frame, clock: &MediaClock, number: u32) {
    pattern::draw(frame, clock, time(number), number);
    let mut random = 0x1234_5678_u32.wrapping_mul(number);
    let noisy = frame.width() * frame.height() / 3;
    for luma in &mut frame.y[..noisy] {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *luma = luma.saturating_add((random >> 29) as u8);
    }
}

/// NAL unit types of an Annex B byte stream (ITU-T H.264 table 7-1), with the bytes that follow the NAL header.
fn nal_units(data: &[u8]) -> Vec<(u8, &[u8])> {
    data.windows(4)
        .enumerate()
        .filter(|(_, window)| window[..3] == [0, 0, 1])
        .map(|(at, window)| (window[3] & 0x1f, &data[at + 4..]))
        .collect()
}

fn types(unit: &AccessUnit) -> Vec<u8> {
    nal_units(&unit.data).into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn the_stream_is_constrained_baseline_with_parameter_sets_before_each_idr() {
    let clock = MediaClock::start();
    for size in [Resolution::new(320, 180), Resolution::HD] {
        let mut frame = Frame::black(size);
        let mut encoder = Encoder::new(target(500));
        let mut keyframes = Vec::new();
        for number in 1..=90 {
            if number == 40 {
                encoder.request_keyframe();
            }
            draw(&mut frame, &clock, number);
            let Some(unit) = encoder.encode(&frame).expect("encodes") else {
                continue;
            };
            let slices = usize::from(slices(size));
            if unit.keyframe {
                assert_eq!(types(&unit), [vec![7, 8], vec![5; slices]].concat(), "{size}");
                let sps = nal_units(&unit.data)[0].1;
                assert_eq!(sps[0], 66, "profile_idc is Baseline");
                assert_eq!(sps[1] & 0x40, 0x40, "constraint_set1_flag is set");
                keyframes.push(number);
            } else {
                assert_eq!(types(&unit), vec![1; slices], "{size}");
            }
        }
        assert_eq!(
            keyframes,
            [1, 40],
            "{size}: one at the start, one on request, none otherwise"
        );
    }
}

#[test]
fn the_bitrate_follows_the_target_while_running() {
    let clock = MediaClock::start();
    let targets = [
        (Resolution::new(640, 360), [1500, 400, 1000]),
        (Resolution::HD, [3000, 1200, 2000]),
    ];
    for (size, targets) in targets {
        let mut frame = Frame::black(size);
        let mut encoder = Encoder::new(target(targets[0]));
        let mut measure = |encoder: &mut Encoder, frames: std::ops::Range<u32>| {
            let seconds = f64::from(frames.len() as u32) / f64::from(FPS);
            let bytes: usize = frames
                .filter_map(|number| {
                    draw(&mut frame, &clock, number);
                    encoder.encode(&frame).expect("encodes").map(|unit| unit.data.len())
                })
                .sum();
            bytes as f64 * 8.0 / seconds / 1000.0
        };
        for (kbps, first) in targets.into_iter().zip([1, 151, 301]) {
            encoder.set_target(target(kbps));
            measure(&mut encoder, first..first + 60);
            let reached = measure(&mut encoder, first + 60..first + 150);
            let share = reached / f64::from(kbps);
            assert!(
                (0.6..1.15).contains(&share),
                "{size}: {reached:.0} kb/s instead of {kbps}"
            );
        }
    }
}

#[test]
fn the_strip_survives_heavy_compression() {
    let clock = MediaClock::start();
    for size in [Resolution::new(320, 180), Resolution::HD] {
        let mut frame = Frame::black(size);
        let mut encoder = Encoder::new(target(300));
        let mut decoder = Decoder::new().expect("a decoder");
        let mut pictures = 0;
        for number in 1..=60 {
            pattern::draw(&mut frame, &clock, time(number), number);
            let Some(unit) = encoder.encode(&frame).expect("encodes") else {
                continue;
            };
            let Some(picture) = decoder.decode(&unit.data).expect("decodes") else {
                continue;
            };
            let (width, height) = picture.dimensions();
            let reading = strip::read(picture.y(), picture.strides().0, width, height);
            let sent = strip::StripReading {
                frame_number: number,
                capture_unix_ms: clock.unix_ms(time(number)),
            };
            assert_eq!(reading, Some(sent), "{size}");
            pictures += 1;
        }
        assert!(pictures >= 20, "{size}: only {pictures} pictures came out");
    }
}

#[test]
fn a_change_of_size_or_content_starts_with_a_keyframe() {
    let clock = MediaClock::start();
    let mut encoder = Encoder::new(target(800));
    let mut encode = |size, content| {
        let mut frame = Frame::black(size);
        pattern::draw(&mut frame, &clock, time(1), 1);
        frame.content = content;
        encoder
            .encode(&frame)
            .expect("encodes")
            .expect("a first picture is never left out")
            .keyframe
    };
    let small = Resolution::new(320, 180);
    assert!(encode(small, Content::Camera));
    assert!(!encode(small, Content::Camera));
    assert!(encode(small, Content::Screen));
    assert!(encode(Resolution::new(640, 360), Content::Screen));
}

#[test]
fn a_size_that_openh264_cannot_take_is_an_error_with_the_size_in_it() {
    let frame = Frame::black(Resolution::new(8000, 16));
    let error = Encoder::new(target(500))
        .encode(&frame)
        .expect_err("openh264 ends at 3840 pixels");
    assert!(error.to_string().contains("8000x16"), "{error}");
}
