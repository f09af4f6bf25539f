// Samples are only moved: what is expected is exact.
#![allow(clippy::float_cmp)]

use std::sync::Mutex;

use super::outputs::position;
use super::ring::Drain;
use super::*;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is plugged in, by id and name; the first one is the system's own.
type Plugged = Arc<Mutex<Vec<(&'static str, &'static str)>>>;

/// Runs when the device is closed.
struct OnClose<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnClose<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Devices whose callbacks are called by the test.
struct Devices {
    plugged: Plugged,
    /// Each that is opened, with its name.
    opened: mpsc::Receiver<(&'static str, Drain)>,
    /// The names of those that are closed.
    closed: mpsc::Receiver<&'static str>,
    open: Arc<Open>,
}

fn devices() -> Devices {
    let plugged: Plugged = Arc::new(Mutex::new(vec![("desk", "Desk"), ("headset", "Headset")]));
    let (give, opened) = mpsc::channel();
    let (close, closed) = mpsc::channel();
    let present = Arc::clone(&plugged);
    let open = move |choice: &DeviceChoice| {
        let list = present.lock().expect("no test panicked").clone();
        let (_, name) = list[position(choice, &list)?];
        let (fill, drain) = ring::ring(SAMPLE_RATE, 2).expect("a usual rate");
        // The test may have heard enough.
        let _ = give.send((name, drain));
        let close = close.clone();
        Ok(Opened {
            name: name.into(),
            _stream: Box::new(OnClose(move || {
                let _ = close.send(name);
            })),
            fill,
        })
    };
    Devices {
        plugged,
        opened,
        closed,
        open: Arc::new(open),
    }
}

impl Devices {
    fn speaker(&self, choice: DeviceChoice) -> Speaker {
        let state = watch::Sender::new(SoundState::Off);
        Speaker::with(Arc::clone(&self.open), Output::Device(choice), state)
    }

    /// The device that was opened next.
    fn next(&self, name: &str) -> Drain {
        let (opened, drain) = self.opened.recv_timeout(PATIENCE).expect("one is opened");
        assert_eq!(opened, name);
        drain
    }
}

fn headset() -> DeviceChoice {
    DeviceChoice::Matching("headset".to_owned())
}

/// Asks for another device.
fn switch(speaker: &mut Speaker, choice: DeviceChoice) -> oneshot::Receiver<Result<(), PlaybackError>> {
    let (asked, answer) = oneshot::channel();
    speaker.switch(choice, asked, Instant::now());
    answer
}

/// Tends the speaker until something is `reached`.
fn tend<T>(speaker: &mut Speaker, mut reached: impl FnMut(&mut Speaker) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        speaker.wants_block(Instant::now());
        if let Some(reached) = reached(speaker) {
            return reached;
        }
        assert!(Instant::now() < deadline, "never: {:?}", speaker.state.borrow());
        thread::yield_now();
    }
}

/// Tends the speaker until its state is `reached`.
fn until(speaker: &mut Speaker, reached: impl Fn(&SoundState) -> bool) {
    tend(speaker, |speaker| reached(&speaker.state.borrow()).then_some(()));
}

/// Tends the speaker until it has answered.
fn answered(
    speaker: &mut Speaker,
    mut answer: oneshot::Receiver<Result<(), PlaybackError>>,
) -> Result<(), PlaybackError> {
    tend(speaker, |_| answer.try_recv().ok())
}

/// Whether this device plays, by choice.
fn plays(name: &str) -> impl Fn(&SoundState) -> bool {
    move |state| matches!(state, SoundState::Playing { device, instead_of: None } if device == name)
}

/// Mixes what is wanted now, and hears what comes out of a device first.
fn heard(speaker: &mut Speaker, drain: &mut Drain, value: f32) -> [f32; BLOCK_VALUES] {
    while speaker.wants_block(Instant::now()) {
        speaker.write(&[value; BLOCK_VALUES]);
    }
    let mut heard = [0.0; BLOCK_VALUES];
    drain.fill(&mut heard, Duration::ZERO);
    heard
}

#[test]
fn a_device_that_is_unplugged_is_met_again_and_the_clock_paces_meanwhile() {
    let devices = devices();
    let mut speaker = devices.speaker(DeviceChoice::Default);
    assert_eq!(*speaker.state.borrow(), SoundState::Opening);
    until(&mut speaker, plays("Desk"));
    let mut drain = devices.next("Desk");
    assert_eq!(heard(&mut speaker, &mut drain, 0.5), [0.5; BLOCK_VALUES]);

    drain.shared().failed.store(true, Ordering::Release);
    let now = Instant::now();
    speaker.wants_block(now);
    assert!(matches!(&*speaker.state.borrow(), SoundState::Lost { why } if why.contains("disconnected")));
    until(&mut speaker, plays("Desk"));
    let mut drain = devices.next("Desk");
    assert_eq!(heard(&mut speaker, &mut drain, 0.25), [0.25; BLOCK_VALUES]);
}

#[test]
fn a_device_that_stops_asking_is_given_up() {
    let devices = devices();
    let mut speaker = devices.speaker(DeviceChoice::Default);
    until(&mut speaker, plays("Desk"));
    let mut drain = devices.next("Desk");
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
    let devices = devices();
    devices.plugged.lock().expect("no test panicked").clear();
    let mut speaker = devices.speaker(DeviceChoice::Default);
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

#[test]
fn another_device_takes_over_once_it_is_open() {
    let devices = devices();
    let (open, wait) = mpsc::channel::<()>();
    let (inner, gate) = (Arc::clone(&devices.open), Mutex::new(wait));
    let gated = move |choice: &DeviceChoice| {
        if *choice != DeviceChoice::Default {
            let _ = gate.lock().expect("no test panicked").recv();
        }
        inner(choice)
    };
    let state = watch::Sender::new(SoundState::Off);
    let mut speaker = Speaker::with(Arc::new(gated), Output::Device(DeviceChoice::Default), state);
    until(&mut speaker, plays("Desk"));
    let mut desk = devices.next("Desk");
    assert_eq!(heard(&mut speaker, &mut desk, 0.5), [0.5; BLOCK_VALUES]);

    let answer = switch(&mut speaker, headset());
    assert_eq!(
        heard(&mut speaker, &mut desk, 0.5),
        [0.5; BLOCK_VALUES],
        "it goes on meanwhile"
    );
    assert!(plays("Desk")(&speaker.state.borrow()));
    open.send(()).expect("it waits");
    answered(&mut speaker, answer).expect("it is there");
    assert!(plays("Headset")(&speaker.state.borrow()));
    let mut other = devices.next("Headset");
    assert_eq!(heard(&mut speaker, &mut other, 0.25), [0.25; BLOCK_VALUES]);
    assert_eq!(devices.closed.recv_timeout(PATIENCE), Ok("Desk"));

    // Chosen once more, it is not opened once more.
    let answer = switch(&mut speaker, headset());
    answered(&mut speaker, answer).expect("it plays");
    assert!(devices.opened.try_recv().is_err());
}

#[test]
fn a_device_that_is_not_there_is_named_and_the_one_before_plays_on() {
    let devices = devices();
    let mut speaker = devices.speaker(headset());
    until(&mut speaker, plays("Headset"));
    let mut drain = devices.next("Headset");
    let answer = switch(&mut speaker, DeviceChoice::Matching("attic".to_owned()));
    let words = answered(&mut speaker, answer).expect_err("there is none").to_string();
    assert_eq!(words, "no sound output matches 'attic'; there is: Desk, Headset");
    assert!(plays("Headset")(&speaker.state.borrow()));
    assert_eq!(heard(&mut speaker, &mut drain, 0.5), [0.5; BLOCK_VALUES]);
    assert!(devices.closed.try_recv().is_err());
}

#[test]
fn where_a_chosen_device_is_lost_the_systems_own_plays_and_the_state_says_so() {
    let devices = devices();
    let mut speaker = devices.speaker(headset());
    until(&mut speaker, plays("Headset"));
    let drain = devices.next("Headset");
    devices.plugged.lock().expect("no test panicked").pop();
    drain.shared().failed.store(true, Ordering::Release);
    until(
        &mut speaker,
        |state| matches!(state, SoundState::Playing { device, instead_of: Some(chosen) } if device == "Desk" && chosen == "headset"),
    );
    let mut desk = devices.next("Desk");
    assert_eq!(heard(&mut speaker, &mut desk, 0.5), [0.5; BLOCK_VALUES]);

    // Whoever chooses what plays anyway does not interrupt it.
    let answer = switch(&mut speaker, DeviceChoice::Default);
    answered(&mut speaker, answer).expect("it plays");
    assert!(plays("Desk")(&speaker.state.borrow()));
    assert!(devices.opened.try_recv().is_err());

    devices
        .plugged
        .lock()
        .expect("no test panicked")
        .push(("headset", "Headset"));
    let answer = switch(&mut speaker, headset());
    answered(&mut speaker, answer).expect("it is back");
    assert!(plays("Headset")(&speaker.state.borrow()));
}

#[test]
fn a_device_whose_system_does_not_answer_is_given_up_and_the_one_before_plays_on() {
    let devices = devices();
    let (_release, hang) = mpsc::channel::<()>();
    let (inner, hang) = (Arc::clone(&devices.open), Mutex::new(hang));
    let hangs = move |choice: &DeviceChoice| {
        if *choice == DeviceChoice::Default {
            return inner(choice);
        }
        let _ = hang.lock().expect("no test panicked").recv();
        Err(PlaybackError::NoDevice)
    };
    let state = watch::Sender::new(SoundState::Off);
    let mut speaker = Speaker::with(Arc::new(hangs), Output::Device(DeviceChoice::Default), state);
    until(&mut speaker, plays("Desk"));
    let mut drain = devices.next("Desk");
    let mut answer = switch(&mut speaker, headset());
    let now = Instant::now();
    let mut later = |time| {
        // It asks for sound all the time.
        drain.fill(&mut [0.0_f32; 2], Duration::ZERO);
        speaker.wants_block(now + time);
    };
    later(SWITCH_TIMEOUT / 2);
    assert!(answer.try_recv().is_err(), "it may still come");
    later(SWITCH_TIMEOUT);
    let words = answer.try_recv().expect("an answer").expect_err("it hangs").to_string();
    assert!(
        words.contains("'headset'") && words.contains("does not answer"),
        "{words}"
    );
    assert!(plays("Desk")(&speaker.state.borrow()));
}

#[test]
fn a_lost_device_that_cannot_be_closed_keeps_nobody_from_hearing() {
    let devices = devices();
    let (_release, hang) = mpsc::channel::<()>();
    let (inner, hang) = (Arc::clone(&devices.open), Arc::new(Mutex::new(Some(hang))));
    let stuck = move |choice: &DeviceChoice| {
        let hang = Arc::clone(&hang);
        let stream = OnClose(move || {
            let hang = hang.lock().expect("no test panicked").take();
            let _ = hang.map(|hang| hang.recv());
        });
        Ok(Opened {
            _stream: Box::new(stream),
            ..inner(choice)?
        })
    };
    let state = watch::Sender::new(SoundState::Off);
    let mut speaker = Speaker::with(Arc::new(stuck), Output::Device(headset()), state);
    until(&mut speaker, plays("Headset"));
    devices.next("Headset").shared().failed.store(true, Ordering::Release);
    until(&mut speaker, |state| matches!(state, SoundState::Lost { .. }));
    until(&mut speaker, plays("Headset"));
    devices.next("Headset");
}

#[test]
fn where_no_sound_is_wanted_another_device_changes_nothing() {
    let devices = devices();
    let state = watch::Sender::new(SoundState::Off);
    let mut speaker = Speaker::with(Arc::clone(&devices.open), Output::None, state);
    let answer = switch(&mut speaker, headset());
    answered(&mut speaker, answer).expect("nothing to do");
    assert_eq!(*speaker.state.borrow(), SoundState::Off);
    assert!(devices.opened.try_recv().is_err());
}
