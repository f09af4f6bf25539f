//! The way of a microphone's sound through the voice processing, to the encoder.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, Ordering},
};

use crate::audio::voice::VoiceProcessing;
#[cfg(feature = "voice-processing")]
use crate::{
    audio::{AudioCapture, PACKET_VALUES, voice::VoiceProcessor},
    clock::{MediaClock, MediaTime},
    source::AudioSource,
    subscribe::FarEnd,
};

/// What is wanted, and what comes of it, between a track's owner and its thread.
#[derive(Debug, Clone, Default)]
pub(super) struct VoiceSwitch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    wanted: AtomicU8,
    cancels_echo: AtomicBool,
}

impl VoiceSwitch {
    pub(super) fn set(&self, wanted: VoiceProcessing) {
        self.0.wanted.store(wanted.to_bits(), Ordering::Release);
    }

    pub(super) fn wanted(&self) -> VoiceProcessing {
        VoiceProcessing::from_bits(self.0.wanted.load(Ordering::Acquire))
    }

    pub(super) fn cancels_echo(&self) -> bool {
        self.0.cancels_echo.load(Ordering::Acquire)
    }

    /// Puts the processing behind `capture`, where `source` is one that hears voices.
    #[cfg(feature = "voice-processing")]
    pub(super) fn apply(
        &self,
        source: &AudioSource,
        capture: Box<dyn AudioCapture>,
        clock: MediaClock,
        far_end: FarEnd,
    ) -> Box<dyn AudioCapture> {
        match source {
            AudioSource::Microphone(_) => {
                // What was played before this microphone was open is not in what it hears.
                far_end.skip();
                Box::new(VoiceCapture {
                    capture,
                    clock,
                    far_end,
                    switch: self.clone(),
                    processor: VoiceProcessor::default(),
                })
            }
            AudioSource::Tone => capture,
        }
    }
}

/// A microphone, and what its sound goes through.
#[cfg(feature = "voice-processing")]
struct VoiceCapture {
    capture: Box<dyn AudioCapture>,
    clock: MediaClock,
    far_end: FarEnd,
    switch: VoiceSwitch,
    processor: VoiceProcessor,
}

#[cfg(feature = "voice-processing")]
impl AudioCapture for VoiceCapture {
    fn name(&self) -> &str {
        self.capture.name()
    }

    fn read(&mut self, packet: &mut [f32; PACKET_VALUES]) -> MediaTime {
        let captured = self.capture.read(packet);
        let Self { processor, switch, .. } = self;
        processor.set(switch.wanted());
        // All of it was written before it was heard, so that none is missing of what this packet holds.
        self.far_end.drain(|block| processor.play(block.heard, &block.samples));
        processor.process(packet, self.clock.instant(captured));
        switch.0.cancels_echo.store(processor.cancels_echo(), Ordering::Release);
        captured.minus(processor.delay())
    }

    fn overruns(&self) -> u64 {
        self.capture.overruns()
    }
}

#[cfg(all(test, feature = "voice-processing"))]
mod tests {
    use std::{
        thread,
        time::{Duration, Instant},
    };

    use super::*;
    use crate::{
        audio::{
            self, PACKET,
            playback::{BLOCK_VALUES, Output, SoundState, Speaker},
        },
        devices::DeviceChoice,
        source::StateCell,
        subscribe::{ReferenceBlock, sound::reference::tap},
    };

    /// A microphone in front of a fan.
    struct Fan {
        random: u32,
        next: MediaTime,
    }

    impl AudioCapture for Fan {
        fn name(&self) -> &'static str {
            "fan"
        }

        fn read(&mut self, packet: &mut [f32; PACKET_VALUES]) -> MediaTime {
            packet.fill_with(|| {
                self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (self.random >> 8) as f32 / (1_u32 << 24) as f32 * 0.1 - 0.05
            });
            let captured = self.next;
            self.next = captured.plus(PACKET);
            captured
        }

        fn overruns(&self) -> u64 {
            3
        }
    }

    fn fan() -> Box<dyn AudioCapture> {
        Box::new(Fan {
            random: 1,
            next: MediaTime::from_duration(Duration::from_secs(1)),
        })
    }

    /// The level of the last of `packets`, and when it was captured.
    fn hear(capture: &mut dyn AudioCapture, packets: usize) -> (f32, MediaTime) {
        let mut packet = [0.0; PACKET_VALUES];
        let mut captured = MediaTime::default();
        for _ in 0..packets {
            captured = capture.read(&mut packet);
        }
        let energy: f32 = packet.iter().map(|value| value * value).sum();
        ((energy / PACKET_VALUES as f32).sqrt(), captured)
    }

    #[test]
    fn a_microphone_is_processed_as_the_switch_stands() {
        let switch = VoiceSwitch::default();
        let source = AudioSource::Microphone(DeviceChoice::Default);
        let mut capture = switch.apply(&source, fan(), MediaClock::start(), FarEnd::default());
        assert_eq!((capture.name(), capture.overruns()), ("fan", 3));
        let (loud, captured) = hear(&mut *capture, 100);
        assert_eq!(captured.as_duration(), Duration::from_secs(1) + PACKET * 99);
        switch.set(VoiceProcessing {
            noise_suppression: true,
            ..VoiceProcessing::OFF
        });
        let (quiet, captured) = hear(&mut *capture, 150);
        assert!(quiet < loud / 3.0, "{quiet} of {loud}");
        let late = MediaTime::from_duration(Duration::from_secs(1) + PACKET * 249).saturating_since(captured);
        assert!((5..10).contains(&late.as_millis()), "{late:?}");
        switch.set(VoiceProcessing::OFF);
        let (loud_again, _) = hear(&mut *capture, 10);
        assert!(loud_again > loud * 0.8, "{loud_again} of {loud}");
    }

    #[test]
    fn the_tone_is_never_processed() {
        let switch = VoiceSwitch::default();
        switch.set(VoiceProcessing::ALL);
        let mut processed = switch.apply(&AudioSource::Tone, fan(), MediaClock::start(), FarEnd::default());
        let (mut out, mut plain) = ([0.0; PACKET_VALUES], [0.0; PACKET_VALUES]);
        processed.read(&mut out);
        fan().read(&mut plain);
        assert!(out.map(f32::to_bits) == plain.map(f32::to_bits));
    }

    #[test]
    fn echo_is_looked_for_once_somebody_was_heard_here() {
        let (switch, clock) = (VoiceSwitch::default(), MediaClock::start());
        switch.set(VoiceProcessing::ALL);
        let (mut tap, reference) = tap(clock);
        let mut play = |level: f32| {
            tap.write(&ReferenceBlock {
                heard: clock.now(),
                samples: [level; BLOCK_VALUES],
            });
        };
        let far_end = FarEnd::default();
        far_end.add(reference);
        play(0.5);
        let source = AudioSource::Microphone(DeviceChoice::Default);
        let mut capture = switch.apply(&source, fan(), clock, far_end);
        hear(&mut *capture, 2);
        assert!(!switch.cancels_echo(), "that was before");
        play(0.0);
        hear(&mut *capture, 2);
        assert!(!switch.cancels_echo(), "that was silence");
        play(0.1);
        hear(&mut *capture, 2);
        assert!(switch.cancels_echo());
    }

    /// Of the last two of so many seconds, in dBFS.
    fn level(capture: &mut dyn AudioCapture, seconds: u32) -> f32 {
        let mut packet = [0.0; PACKET_VALUES];
        let mut energies = Vec::new();
        for _ in 0..seconds * 50 {
            capture.read(&mut packet);
            energies.push(packet.iter().map(|value| value * value).sum::<f32>() / PACKET_VALUES as f32);
        }
        let last = &energies[energies.len() - 100..];
        10.0 * (last.iter().sum::<f32>() / last.len() as f32).max(1e-12).log10()
    }

    /// With real devices, their buffers and their clocks. `PulseAudio` has such a microphone: the monitor of a null sink.
    #[test]
    #[ignore = "needs a sound card whose microphone hears its loudspeaker"]
    fn what_a_loudspeaker_plays_is_taken_out_of_what_a_microphone_hears() {
        let clock = MediaClock::start();
        let (mut tap, reference) = tap(clock);
        let (state, _) = tokio::sync::watch::channel(SoundState::Off);
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let playing = thread::spawn(move || {
            let mut speaker = Speaker::new(Output::Device(DeviceChoice::Default), state);
            let mut random = 1_u32;
            let mut number = 0_usize;
            while !ended.load(Ordering::Acquire) {
                while speaker.wants_block(Instant::now()) {
                    // Syllables of noise.
                    let samples = std::array::from_fn(|_| {
                        number += 1;
                        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let noise = (random >> 8) as f32 / (1_u32 << 24) as f32 - 0.5;
                        0.4 * noise * (number as f32 * 4.0 * std::f32::consts::PI / 96_000.0).sin().powi(2)
                    });
                    let heard = clock.now().plus(speaker.latency());
                    speaker.write(&samples);
                    tap.write(&ReferenceBlock { heard, samples });
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        let far_end = FarEnd::default();
        far_end.add(reference);
        let switch = VoiceSwitch::default();
        let source = AudioSource::Microphone(DeviceChoice::Default);
        let microphone = audio::start(&source, clock, &StateCell::default()).expect("a microphone");
        let mut capture = switch.apply(&source, microphone, clock, far_end);
        let echo = level(&mut *capture, 5);
        switch.set(VoiceProcessing {
            echo_cancellation: true,
            ..VoiceProcessing::OFF
        });
        let left = level(&mut *capture, 15);
        over.store(true, Ordering::Release);
        playing.join().expect("it plays to the end");
        println!("an echo of {echo:.1} dBFS, {left:.1} dBFS of it left");
        assert!(echo > -50.0, "the microphone hears the loudspeaker: {echo} dBFS");
        assert!(left < echo - 15.0, "{left} of {echo} dBFS");
    }
}
