// Samples are moved and scaled by powers of two: what is expected is exact.
#![allow(clippy::float_cmp)]

use std::sync::atomic::{AtomicBool, AtomicU32};

use super::*;
use crate::{audio::SAMPLE_RATE, source::SourceState};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A microphone whose callback is called by the test.
struct Device {
    feeds: mpsc::Receiver<Feed>,
    /// Lets the next opening after the first one finish.
    release: mpsc::SyncSender<()>,
    released: Arc<AtomicBool>,
}

fn device(clock: MediaClock) -> (Device, Arc<Open>) {
    let (give, feeds) = mpsc::channel();
    let (release, hang) = mpsc::sync_channel(1);
    let released = Arc::new(AtomicBool::new(false));
    let (flag, hang, openings) = (Arc::clone(&released), std::sync::Mutex::new(hang), AtomicU32::new(0));
    let open = move || {
        if openings.fetch_add(1, Ordering::AcqRel) > 0 {
            let hang = hang.lock().expect("no panic");
            hang.recv_timeout(PATIENCE).expect("the test lets it go");
            flag.store(true, Ordering::Release);
        }
        let (feed, drain) = ring::ring(SAMPLE_RATE, 1, clock).expect("a usual rate");
        give.send(feed).expect("the test listens");
        Ok(Opened {
            name: "Desk".into(),
            _stream: Box::new(()),
            drain,
        })
    };
    let device = Device {
        feeds,
        release,
        released,
    };
    (device, Arc::new(open))
}

#[test]
fn silence_goes_on_without_a_gap_while_the_system_takes_its_time_to_reopen() {
    let clock = MediaClock::start();
    let state = StateCell::default();
    let (device, open) = device(clock);
    let opened = open_within(&open, &DeviceChoice::Default, PATIENCE).expect("opens");
    let mut microphone = Microphone::with(open, opened, clock, &state);
    let mut feed = device.feeds.recv().expect("it was opened");
    let mut packet = [0.0; PACKET_VALUES];
    feed.push(&[0.5f32; 960], PACKET);
    let mut next = microphone.read(&mut packet).plus(PACKET);
    assert_eq!(packet, [0.5; PACKET_VALUES]);
    assert_eq!(state.get(), SourceState::Live);

    feed.shared().failed.store(true, Ordering::Release);
    for _ in 0..20 {
        let stamp = microphone.read(&mut packet);
        assert_eq!(packet, [0.0; PACKET_VALUES]);
        assert_eq!(stamp, next);
        next = stamp.plus(PACKET);
    }
    assert!(matches!(state.get(), SourceState::Lost { why } if why.contains("disconnected")));
    assert!(!device.released.load(Ordering::Acquire), "nobody waited for the device");

    device.release.send(()).expect("it is being opened");
    let mut feed = device.feeds.recv_timeout(PATIENCE).expect("it was opened again");
    let deadline = Instant::now() + PATIENCE;
    while packet != [0.25; PACKET_VALUES] {
        assert!(Instant::now() < deadline, "the sound did not come back");
        feed.push(&[0.25f32; 960], PACKET);
        let stamp = microphone.read(&mut packet);
        assert!(stamp >= next, "time on the track never runs backwards");
        next = stamp.plus(PACKET);
    }
    assert_eq!(state.get(), SourceState::Live);
}

#[test]
fn a_lost_microphone_comes_back_as_itself_or_not_at_all() {
    let plugged = [
        ("built-in", "Built-in"),
        ("desk", "USB Audio"),
        ("stage", "USB Audio 2"),
    ];
    let choice = DeviceChoice::Matching("usb".to_owned());
    let first = place(&choice, None, &plugged).expect("it is there");
    assert_eq!(plugged[first].0, "desk");
    let desk = Identity {
        id: "desk".to_owned(),
        name: "USB Audio".to_owned(),
    };
    for choice in [choice, DeviceChoice::Matching("1".to_owned())] {
        let gone = place(&choice, Some(&desk), &[plugged[0], plugged[2]]).expect_err("it is away");
        assert!(
            gone.to_string().contains("'USB Audio' failed: it is not plugged in"),
            "{gone}"
        );
        let back = place(&choice, Some(&desk), &[plugged[2], plugged[0], plugged[1]]);
        assert_eq!(back.expect("it is back"), 2);
    }
    assert!(matches!(
        place(&DeviceChoice::Default, None, &[]),
        Err(AudioError::NoDevice)
    ));
}

#[test]
fn a_microphone_whose_system_does_not_answer_is_named_in_the_error() {
    let (_release, hang) = mpsc::channel::<()>();
    let hang = std::sync::Mutex::new(hang);
    let open: Arc<Open> = Arc::new(move || {
        let _ = hang.lock().expect("no panic").recv();
        Err(AudioError::NoDevice)
    });
    let choice = DeviceChoice::Matching("desk".to_owned());
    let words = open_within(&open, &choice, Duration::from_millis(10))
        .map(|_| ())
        .expect_err("it hangs")
        .to_string();
    assert!(words.contains("'desk' did not answer"), "{words}");
    let crashes: Arc<Open> = Arc::new(|| panic!("driver bug"));
    let words = open_within(&crashes, &choice, PATIENCE)
        .map(|_| ())
        .expect_err("it crashes");
    assert!(words.to_string().contains("its driver panicked"), "{words}");
}
