// Samples are only moved: what is expected is exact.
#![allow(clippy::float_cmp)]

use super::*;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A device whose callback is called by the test.
fn device() -> (mpsc::Receiver<Drain>, Arc<Open>) {
    let (give, drains) = mpsc::channel();
    let open = move || {
        let (fill, drain) = ring::ring(SAMPLE_RATE, 2).expect("a usual rate");
        give.send(drain).expect("the test listens");
        Ok(Opened {
            name: "Desk".into(),
            _stream: Box::new(()),
            fill,
        })
    };
    (drains, Arc::new(open))
}

/// Tends the speaker until `reached`.
fn until(speaker: &mut Speaker, reached: impl Fn(&SoundState) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached(&speaker.state.borrow()) {
        assert!(Instant::now() < deadline, "never: {:?}", speaker.state.borrow());
        speaker.wants_block(Instant::now());
        thread::yield_now();
    }
}

#[test]
fn a_device_that_is_unplugged_is_met_again_and_the_clock_paces_meanwhile() {
    let (drains, open) = device();
    let mut speaker = Speaker::with(Some(open), watch::Sender::new(SoundState::Off));
    assert_eq!(*speaker.state.borrow(), SoundState::Opening);
    let playing = |state: &SoundState| matches!(state, SoundState::Playing { device } if device == "Desk");
    until(&mut speaker, playing);
    let mut drain = drains.recv().expect("it was opened");
    while speaker.wants_block(Instant::now()) {
        speaker.write(&[0.5; BLOCK_VALUES]);
    }
    let mut heard = [0.0_f32; BLOCK_VALUES];
    drain.fill(&mut heard, Duration::ZERO);
    assert_eq!(heard, [0.5; BLOCK_VALUES]);

    drain.shared().failed.store(true, Ordering::Release);
    let now = Instant::now();
    speaker.wants_block(now);
    assert!(matches!(&*speaker.state.borrow(), SoundState::Lost { why } if why.contains("disconnected")));
    until(&mut speaker, playing);
    let mut drain = drains.recv().expect("it was opened again");
    while speaker.wants_block(Instant::now()) {
        speaker.write(&[0.25; BLOCK_VALUES]);
    }
    drain.fill(&mut heard, Duration::ZERO);
    assert_eq!(heard, [0.25; BLOCK_VALUES]);
}

#[test]
fn a_device_that_stops_asking_is_given_up() {
    let (drains, open) = device();
    let mut speaker = Speaker::with(Some(open), watch::Sender::new(SoundState::Off));
    until(&mut speaker, |state| matches!(state, SoundState::Playing { .. }));
    let mut drain = drains.recv().expect("it was opened");
    drain.fill(&mut [0.0_f32; 2], Duration::ZERO);
    let now = Instant::now();
    speaker.wants_block(now);
    speaker.wants_block(now + STALL.saturating_sub(BLOCK));
    assert!(matches!(&*speaker.state.borrow(), SoundState::Playing { .. }));
    speaker.wants_block(now + STALL);
    assert!(matches!(&*speaker.state.borrow(), SoundState::Lost { why } if why.contains("stopped")));
}

#[test]
fn without_a_device_the_clock_paces_and_the_state_says_why() {
    let mut speaker = Speaker::with(
        Some(Arc::new(|| Err(PlaybackError::NoDevice))),
        watch::Sender::new(SoundState::Off),
    );
    until(
        &mut speaker,
        |state| matches!(state, SoundState::Lost { why } if why.contains("no loudspeaker")),
    );
    let start = speaker.due.max(Instant::now());
    let mut blocks = 0;
    for ms in 0..100 {
        while speaker.wants_block(start + Duration::from_millis(ms)) {
            speaker.write(&[0.0; BLOCK_VALUES]);
            blocks += 1;
        }
    }
    assert!((10..=12).contains(&blocks), "{blocks} in a tenth of a second");
    // After a freeze nothing is made up for.
    let later = start + Duration::from_mins(1);
    assert!(speaker.wants_block(later));
    speaker.write(&[0.0; BLOCK_VALUES]);
    assert!(!speaker.wants_block(later));
}

#[test]
fn where_no_sound_is_wanted_no_device_is_opened() {
    let mut speaker = Speaker::new(Output::None, watch::Sender::new(SoundState::Opening));
    assert_eq!(*speaker.state.borrow(), SoundState::Off);
    assert!(speaker.wants_block(Instant::now()));
    assert_eq!(speaker.latency(), Duration::ZERO);
}
