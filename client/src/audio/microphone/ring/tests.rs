// Samples are moved and scaled by powers of two: what is expected is exact.
#![allow(clippy::float_cmp)]

use super::*;

fn new(rate: u32, channels: u16) -> (Feed, Drain) {
    ring(rate, channels, MediaClock::start()).expect("a usual rate")
}

/// One second of a sine at half of full scale, mono.
fn tone(rate: u32, hertz: f64) -> Vec<f32> {
    (0..rate)
        .map(|n| 0.5 * (std::f64::consts::TAU * hertz * f64::from(n) / f64::from(rate)).sin() as f32)
        .collect()
}

/// Amplitude of the part of `samples` that has this frequency; the length must be a whole number of its periods.
fn amplitude(samples: &[f32], hertz: f64) -> f64 {
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let angle = std::f64::consts::TAU * hertz * n as f64 / f64::from(SAMPLE_RATE);
        real += f64::from(sample) * angle.cos();
        imaginary += f64::from(sample) * angle.sin();
    }
    2.0 * real.hypot(imaginary) / samples.len() as f64
}

/// The first pair of samples that come out when 20 ms of `frame`, repeated, went in.
fn mixed<T: Sample>(frame: &[T]) -> [f32; 2]
where
    f32: FromSample<T>,
{
    let (mut feed, mut drain) = new(SAMPLE_RATE, frame.len() as u16);
    feed.push(&frame.repeat(PACKET_SAMPLES), Duration::ZERO);
    let mut packet = [9.0; PACKET_VALUES];
    drain.take(&mut packet).expect("a whole packet went in");
    assert!(packet.chunks_exact(2).all(|pair| pair == &packet[..2]));
    [packet[0], packet[1]]
}

#[test]
fn one_channel_goes_to_both_sides() {
    assert_eq!(mixed(&[0.25f32]), [0.25, 0.25]);
}

#[test]
fn of_many_channels_front_left_and_right_are_taken() {
    assert_eq!(mixed(&[0.5f32, -0.5]), [0.5, -0.5]);
    assert_eq!(mixed(&[0.1f32, 0.2, 0.3, 0.4, 0.5, 0.6]), [0.1, 0.2]);
}

#[test]
fn every_sample_format_has_its_zero_and_its_full_scale() {
    assert_eq!(mixed(&[0i8, i8::MIN]), [0.0, -1.0]);
    assert_eq!(mixed(&[0i16, i16::MIN]), [0.0, -1.0]);
    assert_eq!(mixed(&[0i32, i32::MIN]), [0.0, -1.0]);
    assert_eq!(mixed(&[1u8 << 7, 0]), [0.0, -1.0]);
    assert_eq!(mixed(&[1u16 << 15, 0]), [0.0, -1.0]);
    assert_eq!(mixed(&[1u32 << 31, 0]), [0.0, -1.0]);
    assert_eq!(mixed(&[0.0f64, -1.0]), [0.0, -1.0]);
}

#[test]
fn resampling_keeps_a_tone_where_it_is() {
    for (rate, hertz) in [(44_100, 440.0), (44_100, 17_000.0), (16_000, 440.0), (96_000, 440.0)] {
        let (mut feed, mut drain) = new(rate, 1);
        let mut left = Vec::new();
        for chunk in tone(rate, hertz).chunks(rate as usize / 100) {
            feed.push(chunk, Duration::ZERO);
            let mut packet = [0.0; PACKET_VALUES];
            while drain.take(&mut packet).is_some() {
                assert!(packet.chunks_exact(2).all(|pair| pair[0] == pair[1]));
                left.extend(packet.chunks_exact(2).map(|pair| pair[0]));
            }
        }
        assert!(
            left.len() >= 40 * PACKET_SAMPLES,
            "{rate} Hz gave {} samples",
            left.len()
        );
        // 400 ms from the middle: whole periods of all frequencies that are looked at, away from the resampler's start.
        let middle = &left[10 * PACKET_SAMPLES..30 * PACKET_SAMPLES];
        let wanted = amplitude(middle, hertz);
        assert!((0.49..0.51).contains(&wanted), "{rate} Hz: {wanted}");
        for other in [220.0, 405.0, 480.0, 880.0, 1_320.0, 14_000.0] {
            let strength = amplitude(middle, other);
            assert!(strength < 0.005, "{rate} Hz: {strength} at {other} Hz");
        }
    }
}

#[test]
fn packets_are_stamped_with_the_time_of_their_first_sample() {
    let (mut feed, mut drain) = new(SAMPLE_RATE, 1);
    let before = feed.clock.now();
    feed.push(&[0.0f32; 2 * PACKET_SAMPLES], Duration::ZERO);
    let after = feed.clock.now();
    let mut packet = [0.0; PACKET_VALUES];
    let first = drain.take(&mut packet).expect("the first packet");
    let second = drain.take(&mut packet).expect("the second packet");
    assert!(before <= first && first <= after, "{before:?} {first:?} {after:?}");
    assert_eq!(second.saturating_since(first), Duration::from_millis(20));
    assert!(drain.take(&mut packet).is_none());
}

#[test]
fn an_overrun_loses_whole_frames_and_is_counted() {
    let (mut feed, mut drain) = new(SAMPLE_RATE, 2);
    for _ in 0..30 {
        feed.push(&[0.5f32, -0.5].repeat(PACKET_SAMPLES + 1), Duration::ZERO);
    }
    assert!(drain.shared().overruns.load(Ordering::Acquire) >= 1);
    let mut packet = [0.0; PACKET_VALUES];
    let mut packets = 0;
    while drain.take(&mut packet).is_some() {
        packets += 1;
        assert!(
            packet.chunks_exact(2).all(|pair| pair == [0.5, -0.5]),
            "the sides are not swapped"
        );
    }
    assert_eq!(packets, 25, "half a second");
}

#[test]
fn the_callback_allocates_nothing() {
    let (mut feed, _drain) = new(44_100, 2);
    let samples = vec![1i16; 44_100];
    let mut push = || {
        for chunk in samples.chunks(882) {
            feed.push(chunk, Duration::from_millis(5));
        }
    };
    assert_eq!(allocation_counter::measure(&mut push).count_total, 0);
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![0u8; 16])));
    assert_eq!(counted.count_total, 1, "the counter counts");
}
