use std::{
    sync::atomic::AtomicU32,
    time::{Duration, Instant},
};

use super::*;
use crate::{source::SourceState, units::Resolution, video::mailbox::Delivery};

/// A device that can be unplugged, and whose driver can hang or panic.
#[derive(Default)]
struct Device {
    /// A window that was closed, and not a camera that was unplugged.
    gone: AtomicBool,
    present: AtomicBool,
    hangs: AtomicBool,
    panics_on_close: AtomicBool,
    opened: AtomicU32,
}

struct Opened(Arc<Device>);

impl VideoCapture for Opened {
    fn name(&self) -> &'static str {
        "Desk camera"
    }

    fn capture(&mut self, sink: &Sender) -> Result<(), CaptureError> {
        while self.0.hangs.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(1));
        }
        if !self.0.present.load(Ordering::Acquire) {
            return Err(CaptureError::Failed {
                name: "Desk camera".into(),
                reason: "No such device".into(),
            });
        }
        thread::sleep(Duration::from_millis(1));
        sink.send(sink.buffer(Resolution::new(16, 16)));
        Ok(())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        assert!(!self.0.panics_on_close.swap(false, Ordering::AcqRel), "EBUSY");
    }
}

fn device() -> (Arc<Device>, Arc<Open>) {
    let device = Arc::new(Device {
        present: AtomicBool::new(true),
        ..Device::default()
    });
    let opening = Arc::clone(&device);
    let open = move || {
        if opening.gone.load(Ordering::Acquire) {
            return Err(CaptureError::Gone {
                name: "the window".into(),
            });
        }
        if !opening.present.load(Ordering::Acquire) {
            return Err(CaptureError::NoDevice { class: "camera" });
        }
        opening.opened.fetch_add(1, Ordering::AcqRel);
        Ok(Box::new(Opened(Arc::clone(&opening))) as Box<dyn VideoCapture>)
    };
    (device, Arc::new(open))
}

fn start(open: Arc<Open>) -> (CaptureThread, Arc<Mailbox>) {
    let mailbox = Mailbox::new();
    let capture = CaptureThread::start(open, "desk", OPEN_TIMEOUT, &mailbox).expect("opens");
    mailbox.admit(capture.sender_id());
    (capture, mailbox)
}

fn delivers(mailbox: &Mailbox) -> bool {
    matches!(
        mailbox.take(Instant::now() + Duration::from_secs(20)),
        Delivery::Frame(_)
    )
}

fn wait_until_lost(capture: &CaptureThread) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !capture.state().is_lost() {
        assert!(Instant::now() < deadline, "the loss was not noticed");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_camera_that_was_unplugged_comes_back_by_itself() {
    let (device, open) = device();
    let (capture, mailbox) = start(open);
    assert_eq!(capture.name(), "Desk camera");
    assert!(delivers(&mailbox));
    device.panics_on_close.store(true, Ordering::Release);
    device.present.store(false, Ordering::Release);
    wait_until_lost(&capture);
    assert!(matches!(capture.state().get(), SourceState::Lost { why } if why.contains("No such device")));
    while let Delivery::Frame(_) = mailbox.take(Instant::now()) {}
    device.present.store(true, Ordering::Release);
    assert!(delivers(&mailbox));
}

#[test]
fn what_is_gone_for_good_is_not_waited_for() {
    let (device, open) = device();
    let (capture, mailbox) = start(open);
    assert!(delivers(&mailbox));
    device.gone.store(true, Ordering::Release);
    device.present.store(false, Ordering::Release);
    assert_eq!(capture.ended.recv(), Err(mpsc::RecvError), "the thread ends");
    assert!(matches!(capture.state().get(), SourceState::Gone { why } if why == "the window was closed"));
    capture.state().set_lost("window", "no picture for two seconds");
    assert!(capture.state().is_gone(), "silence is no news of it");
}

#[test]
fn a_hung_driver_is_left_behind_once_and_its_late_pictures_are_refused() {
    let (device, open) = device();
    let (mut capture, mailbox) = start(open);
    assert!(delivers(&mailbox));
    device.hangs.store(true, Ordering::Release);
    let hung = capture.sender_id();
    capture.replace_hung(&mailbox);
    let replacement = capture.sender_id();
    assert_ne!(replacement, hung);
    capture.replace_hung(&mailbox);
    assert_eq!(capture.sender_id(), replacement, "one hung thread at a time");
    while let Delivery::Frame(_) = mailbox.take(Instant::now()) {}
    device.hangs.store(false, Ordering::Release);
    assert!(delivers(&mailbox), "the replacement delivers");
    assert_eq!(device.opened.load(Ordering::Acquire), 2);
}

#[test]
fn a_device_that_does_not_open_is_an_error_at_once() {
    let (device, open) = device();
    device.present.store(false, Ordering::Release);
    let error = CaptureThread::start(open, "desk", OPEN_TIMEOUT, &Mailbox::new()).expect_err("it is not there");
    assert!(matches!(error, CaptureError::NoDevice { .. }));
}

#[test]
fn a_driver_that_panics_while_opening_is_an_error_too() {
    let open: Arc<Open> = Arc::new(|| panic!("driver bug"));
    let error = CaptureThread::start(open, "desk", OPEN_TIMEOUT, &Mailbox::new()).expect_err("it panicked");
    assert!(error.to_string().contains("'desk' failed"), "{error}");
}

#[test]
fn dropping_it_releases_the_device() {
    let (device, open) = device();
    let (capture, mailbox) = start(open);
    assert!(delivers(&mailbox));
    drop(capture);
    assert_eq!(Arc::strong_count(&device), 1, "nobody holds the device any more");
}
