// What is left as it is is exactly that.
#![allow(clippy::float_cmp)]

use std::f32::consts::TAU;

use proptest::prelude::*;

use super::*;

const RATE: usize = SAMPLE_RATE as usize;

const ECHO: VoiceProcessing = VoiceProcessing {
    echo_cancellation: true,
    ..VoiceProcessing::OFF
};
const NOISE: VoiceProcessing = VoiceProcessing {
    noise_suppression: true,
    ..VoiceProcessing::OFF
};
const GAIN: VoiceProcessing = VoiceProcessing {
    gain_control: true,
    ..VoiceProcessing::OFF
};

/// White noise between −1 and 1, the same for the same seed.
fn noise(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1_u32 << 23) as f32 - 1.0
    }
}

/// A voice as far as anything here knows one: syllables of a pitch that wanders and its harmonics, hissing consonants
/// between them, and a breath after each few words. Its loud parts are about as loud as `rms`.
fn voice(seed: u32, pitch: f32, rms: f32, seconds: usize) -> Vec<f32> {
    let mut hiss = noise(seed);
    let mut choice = noise(seed ^ 0x55aa);
    let syllable = RATE * 22 / 100;
    let mut phase = 0.0_f32;
    let (mut wander, mut vowel, mut spoken) = (0.0, 0.5, true);
    let mut signal: Vec<f32> = (0..seconds * RATE)
        .map(|n| {
            let place = n % syllable;
            if place == 0 {
                wander = 0.15 * choice();
                vowel = 0.5 + 0.4 * choice();
                spoken = !(n / syllable).is_multiple_of(7);
            }
            let part = place as f32 / syllable as f32;
            phase = (phase + pitch * (1.0 + wander * part) / RATE as f32).fract();
            let harmonics: f32 = (1..24)
                .map(|harmonic| {
                    let hertz = pitch * harmonic as f32;
                    // Two formants over a falling spectrum.
                    let formant = |centre: f32, width: f32| (-((hertz - centre) / width).powi(2)).exp();
                    let level = formant(300.0 + 600.0 * vowel, 250.0) + 0.5 * formant(900.0 + 1_500.0 * vowel, 400.0);
                    (level + 0.02) * (TAU * phase * harmonic as f32).sin()
                })
                .sum();
            let open = (std::f32::consts::PI * part).sin().powi(2);
            let consonant = if part < 0.2 { 0.25 * hiss() } else { 0.0 };
            if spoken { harmonics * open + consonant } else { 0.0 }
        })
        .collect();
    let scale = rms / level(&signal);
    for value in &mut signal {
        *value *= scale;
    }
    signal
}

/// What a loudspeaker's `signal` becomes at a microphone: `delay` later, by several ways round a room.
fn through_room(signal: &[f32], delay: Duration) -> Vec<f32> {
    let mut random = noise(7);
    let begin = delay.as_micros() as usize * RATE / 1_000_000;
    // 60 reflections over 40 ms, each as loud as air and walls leave it.
    let ways: Vec<(usize, f32)> = (0..60)
        .map(|way| {
            let late = way * RATE / 1_500;
            let faded = (-(way as f32) / 12.0).exp();
            (begin + late, if way == 0 { 0.5 } else { 0.25 * faded * random() })
        })
        .collect();
    (0..signal.len())
        .map(|n| {
            let arrived = ways
                .iter()
                .filter_map(|(late, gain)| Some(signal.get(n.checked_sub(*late)?)? * gain));
            arrived.sum()
        })
        .collect()
}

fn sum(one: &[f32], other: &[f32]) -> Vec<f32> {
    one.iter().zip(other).map(|(one, other)| one + other).collect()
}

/// Root of the mean square.
fn level(signal: &[f32]) -> f32 {
    (signal.iter().map(|value| value * value).sum::<f32>() / signal.len() as f32).sqrt()
}

fn decibels(ratio: f32) -> f32 {
    20.0 * ratio.max(1e-9).log10()
}

/// The last `seconds`.
fn last(signal: &[f32], seconds: usize) -> &[f32] {
    &signal[signal.len() - seconds * RATE..]
}

/// Somebody at a desk: `far` is played, `near` is what the microphone hears, and what comes out is mono again.
struct Desk {
    processor: VoiceProcessor,
    began: Instant,
    packets: u32,
    /// Between writing a block and hearing it.
    latency: Duration,
}

impl Desk {
    fn new(wanted: VoiceProcessing) -> Self {
        let mut processor = VoiceProcessor::default();
        processor.set(wanted);
        Self {
            processor,
            began: Instant::now(),
            packets: 0,
            latency: Duration::from_millis(60),
        }
    }

    fn run(&mut self, far: Option<&[f32]>, near: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(near.len());
        for (number, near) in near.chunks_exact(PACKET_SAMPLES).enumerate() {
            let now = self.began + PACKET * self.packets;
            for part in 0..PACKET_SAMPLES / BLOCK_SAMPLES {
                let begin = number * PACKET_SAMPLES + part * BLOCK_SAMPLES;
                if let Some(far) = far.and_then(|far| far.get(begin..begin + BLOCK_SAMPLES)) {
                    let mut block = [0.0; BLOCK_VALUES];
                    for (frame, value) in block.chunks_exact_mut(CHANNELS).zip(far) {
                        frame.fill(*value);
                    }
                    self.processor.play(now + BLOCK * part as u32 + self.latency, &block);
                }
            }
            let mut packet = [0.0; PACKET_VALUES];
            for (frame, value) in packet.chunks_exact_mut(CHANNELS).zip(near) {
                frame.fill(*value);
            }
            self.processor.process(&mut packet, now);
            assert!(
                packet.iter().all(|value| value.abs() <= 1.0),
                "no clipping, and numbers only"
            );
            out.extend(packet.chunks_exact(CHANNELS).map(|frame| frame[0]));
            self.packets += 1;
        }
        out
    }
}

/// By how much less there is of an echo after 10 s of somebody talking far away, in decibels.
fn enhancement(wanted: VoiceProcessing, delay: Duration) -> f32 {
    let far = voice(1, 120.0, 0.1, 10);
    let echo = through_room(&far, delay);
    let out = Desk::new(wanted).run(Some(&far), &echo);
    decibels(level(last(&echo, 4)) / level(last(&out, 4)))
}

#[test]
fn an_echo_is_cancelled_whatever_its_delay() {
    for delay in [20, 60, 120, 250].map(Duration::from_millis) {
        let enhancement = enhancement(ECHO, delay);
        println!("echo return loss enhancement at {delay:?}: {enhancement:.1} dB");
        assert!(enhancement >= 15.0, "{enhancement} dB at {delay:?}");
    }
    assert!(enhancement(VoiceProcessing::OFF, Duration::from_millis(60)).abs() < 0.1);
    assert!(enhancement(NOISE, Duration::from_millis(60)) < 10.0);
}

#[test]
fn everything_together_cancels_an_echo_too() {
    let enhancement = enhancement(VoiceProcessing::ALL, Duration::from_millis(90));
    println!("echo return loss enhancement with everything on: {enhancement:.1} dB");
    assert!(enhancement >= 15.0, "{enhancement} dB");
}

#[test]
fn who_talks_at_the_same_time_is_still_heard() {
    let far = voice(1, 120.0, 0.1, 16);
    let echo = through_room(&far, Duration::from_millis(80));
    // Talks from the eighth second on.
    let mut near = voice(2, 210.0, 0.1, 16);
    near[..8 * RATE].fill(0.0);
    let out = Desk::new(ECHO).run(Some(&far), &sum(&echo, &near));
    let alone = Desk::new(ECHO).run(Some(&far), &echo);
    let heard = decibels(level(last(&out, 6)) / level(last(&near, 6)));
    println!("a voice in double talk: {heard:.1} dB");
    assert!((-6.0..3.0).contains(&heard), "{heard} dB");
    assert!(
        level(last(&out, 6)) > 5.0 * level(last(&alone, 6)),
        "it is the voice, and not the echo"
    );
}

#[test]
fn without_a_far_end_echo_cancellation_does_nothing() {
    let near = voice(2, 210.0, 0.1, 2);
    let mut desk = Desk::new(ECHO);
    assert_eq!(desk.run(None, &near), near);
    assert_eq!(
        desk.run(Some(&vec![0.0; near.len()]), &near),
        near,
        "nobody says anything"
    );
    assert!(!desk.processor.cancels_echo());
    desk.run(Some(&voice(1, 120.0, 0.1, 1)), &near);
    assert!(desk.processor.cancels_echo());
    desk.run(None, &voice(2, 210.0, 0.1, 3));
    assert!(!desk.processor.cancels_echo(), "the far end is gone");
    assert_eq!(desk.run(None, &near), near);
}

#[test]
fn even_noise_is_suppressed_and_a_voice_is_not() {
    let mut random = noise(3);
    let hiss: Vec<f32> = (0..8 * RATE).map(|_| 0.01 * random()).collect();
    let out = Desk::new(NOISE).run(None, &hiss);
    let less = decibels(level(last(&hiss, 4)) / level(last(&out, 4)));
    println!("noise is {less:.1} dB less");
    assert!(less >= 10.0, "{less} dB");
    let unprocessed = Desk::new(VoiceProcessing::OFF).run(None, &hiss);
    assert_eq!(unprocessed, hiss);

    let near = voice(2, 210.0, 0.1, 8);
    let out = Desk::new(NOISE).run(None, &sum(&near, &hiss));
    let kept = decibels(level(last(&out, 4)) / level(last(&near, 4)));
    println!("a voice in it: {kept:.1} dB");
    assert!((-3.0..1.0).contains(&kept), "{kept} dB");
}

#[test]
fn a_quiet_voice_comes_up_and_a_loud_one_does_not_clip() {
    let gained = |rms: f32| {
        let near = voice(2, 140.0, rms, 12);
        let out = Desk::new(GAIN).run(None, &near);
        let loudest = last(&out, 4).iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        (decibels(level(last(&out, 4)) / level(last(&near, 4))), loudest)
    };
    let (quiet, _) = gained(0.005);
    let (loud, loudest) = gained(0.3);
    println!("a quiet voice: {quiet:+.1} dB; a loud one: {loud:+.1} dB, peaks at {loudest:.2}");
    assert!(quiet > 8.0, "{quiet} dB");
    assert!(loud < 3.0, "{loud} dB");
    assert!(loudest < 1.0, "{loudest}");
}

#[test]
fn the_delay_is_told() {
    let mut off = Duration::ZERO;
    for wanted in (0..8).map(VoiceProcessing::from_bits) {
        let near = voice(2, 210.0, 0.1, 3);
        let far = voice(1, 120.0, 0.01, 3);
        let mut desk = Desk::new(wanted);
        let out = desk.run(Some(&far), &near);
        let window = &near[RATE..2 * RATE];
        let alike = |late: usize| -> f32 {
            let moved = &out[RATE + late..2 * RATE + late];
            window.iter().zip(moved).map(|(one, other)| one * other).sum()
        };
        let best = (0..RATE / 20).max_by(|one, other| alike(*one).total_cmp(&alike(*other)));
        let measured = Duration::from_secs(1) * best.unwrap_or(0) as u32 / SAMPLE_RATE;
        println!(
            "{:03b}: {measured:?} late, told {:?}",
            wanted.to_bits(),
            desk.processor.delay()
        );
        off = off.max(measured.abs_diff(desk.processor.delay()));
    }
    assert!(off < Duration::from_micros(200), "{off:?}");
}

#[test]
fn steps_are_turned_on_and_off_while_it_runs() {
    let near = voice(2, 210.0, 0.1, 1);
    let far = voice(1, 120.0, 0.1, 1);
    let mut desk = Desk::new(VoiceProcessing::OFF);
    for bits in (0..16).map(|n| n % 8) {
        desk.processor.set(VoiceProcessing::from_bits(bits));
        assert_eq!(VoiceProcessing::from_bits(bits).to_bits(), bits);
        let out = desk.run(Some(&far), &near);
        let heard = decibels(level(&out) / level(&near));
        // In its first second with somebody at the far end, AEC3 takes rather too much than too little.
        assert!(heard > -25.0, "{heard} dB with {bits:03b}");
        assert_eq!(desk.processor.cancels_echo(), bits & 1 != 0);
    }
}

#[test]
fn a_step_that_panics_is_made_anew_and_then_left_out() {
    let mut step = Step::new("test", control_gain, Duration::ZERO);
    step.turn(true);
    for _ in 0..MOST_PANICS {
        assert_eq!(
            step.run(|_| -> Result<(), std::fmt::Error> { panic!("on purpose") }),
            Some(false)
        );
    }
    assert!(step.module.is_none());
    step.turn(true);
    let mut mono = [0.25; BLOCK_SAMPLES];
    step.capture(&mut mono);
    assert_eq!(mono, [0.25; BLOCK_SAMPLES]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn anything_that_a_device_may_deliver_is_taken(
        values in prop::collection::vec(any::<f32>(), PACKET_VALUES),
        played in prop::collection::vec(any::<f32>(), BLOCK_VALUES),
    ) {
        let mut processor = VoiceProcessor::default();
        processor.set(VoiceProcessing::ALL);
        let now = Instant::now();
        let (mut block, mut packet) = ([0.0; BLOCK_VALUES], [0.0; PACKET_VALUES]);
        block.copy_from_slice(&played);
        for _ in 0..10 {
            processor.play(now, &block);
            packet.copy_from_slice(&values);
            processor.process(&mut packet, now);
            prop_assert!(packet.iter().all(|value| value.abs() <= 1.0));
        }
        // And afterwards a voice is heard again.
        let near = voice(2, 210.0, 0.1, 4);
        let mut desk = Desk::new(VoiceProcessing::ALL);
        desk.processor = processor;
        prop_assert!(level(last(&desk.run(None, &near), 1)) > 0.01);
    }
}
