//! The single slot between capture and encoder, in which the latest picture wins.
//!
//! A slow encoder makes pictures go missing; it never makes them wait. Buffers go round: what the encoder has finished with, or what was
//! superseded, is drawn into again.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::frame::Frame;
use crate::units::Resolution;

/// Buffers kept for reuse: one is being drawn, one waits, one is being encoded, so that at most two are ever idle.
const SPARE_BUFFERS: usize = 2;

/// What came out of [`Mailbox::take`].
#[derive(Debug)]
pub enum Delivery {
    /// The latest picture.
    Frame(Frame),
    /// No picture until the deadline.
    TimedOut,
    /// [`Mailbox::close`] was called.
    Closed,
}

#[derive(Debug, Default)]
struct Slot {
    latest: Option<Frame>,
    spare: Vec<Frame>,
    /// The sender whose pictures are let in.
    admitted: u64,
    senders: u64,
    captured: u64,
    superseded: u64,
    closed: bool,
}

/// The slot, as the encoder sees it.
#[derive(Debug, Default)]
pub struct Mailbox {
    slot: Mutex<Slot>,
    changed: Condvar,
    /// The same as `changed`, for a task.
    arrived: Notify,
}

impl Mailbox {
    /// An open, empty mailbox.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        // Every critical section leaves the slot whole, so that a panic elsewhere does not spoil it.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A way in for one source. Its pictures are refused until [`Mailbox::admit`]; admitting another one shuts it out again.
    pub fn sender(self: &Arc<Self>) -> Sender {
        let mut slot = self.lock();
        slot.senders += 1;
        Sender {
            id: slot.senders,
            mailbox: Arc::clone(self),
        }
    }

    /// From now on lets in pictures of the sender `id` alone, and forgets a waiting one of another.
    pub fn admit(&self, id: u64) {
        let mut slot = self.lock();
        if slot.admitted != id {
            slot.admitted = id;
            slot.latest = None;
        }
    }

    /// Waits for a picture until `deadline`.
    pub fn take(&self, deadline: Instant) -> Delivery {
        let mut slot = self.lock();
        loop {
            if slot.closed {
                return Delivery::Closed;
            }
            if let Some(frame) = slot.latest.take() {
                return Delivery::Frame(frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Delivery::TimedOut;
            }
            slot = self
                .changed
                .wait_timeout(slot, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits for a picture; none once the mailbox is closed. For one task, in place of [`Mailbox::take`].
    ///
    /// Cancel safe: a picture that was not returned is still there.
    pub async fn receive(&self) -> Option<Frame> {
        loop {
            {
                let mut slot = self.lock();
                if slot.closed {
                    return None;
                }
                if let Some(frame) = slot.latest.take() {
                    return Some(frame);
                }
            }
            // What arrived since then has left a permit.
            self.arrived.notified().await;
        }
    }

    /// Gives a buffer back for reuse.
    pub fn recycle(&self, frame: Frame) {
        keep_spare(&mut self.lock(), frame);
    }

    /// Pictures that were let in, and how many of them a newer one replaced before they were taken.
    pub fn counts(&self) -> (u64, u64) {
        let slot = self.lock();
        (slot.captured, slot.superseded)
    }

    /// Wakes whoever waits and ends it.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
        self.arrived.notify_one();
    }

    /// Whether [`Mailbox::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

fn keep_spare(slot: &mut Slot, frame: Frame) {
    if slot.spare.len() < SPARE_BUFFERS {
        slot.spare.push(frame);
    }
}

/// The slot, as one source sees it.
#[derive(Debug, Clone)]
pub struct Sender {
    id: u64,
    mailbox: Arc<Mailbox>,
}

impl Sender {
    /// What [`Mailbox::admit`] knows this sender by.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// A buffer of this size to draw into. Its content is that of some older picture.
    pub fn buffer(&self, size: Resolution) -> Frame {
        let spare = self.mailbox.lock().spare.pop();
        spare
            .filter(|frame| frame.size() == size.even())
            .unwrap_or_else(|| Frame::black(size))
    }

    /// Delivers a picture, in place of one that still waits.
    pub fn send(&self, frame: Frame) {
        let mut slot = self.mailbox.lock();
        if slot.admitted != self.id {
            keep_spare(&mut slot, frame);
            return;
        }
        slot.captured += 1;
        if let Some(old) = slot.latest.replace(frame) {
            slot.superseded += 1;
            keep_spare(&mut slot, old);
        }
        drop(slot);
        self.mailbox.changed.notify_one();
        self.mailbox.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MediaTime;

    const SIZE: Resolution = Resolution::new(4, 4);

    fn numbered(sender: &Sender, ms: u64) -> Frame {
        let mut frame = sender.buffer(SIZE);
        frame.capture = MediaTime::from_duration(Duration::from_millis(ms));
        frame
    }

    fn take_ms(mailbox: &Mailbox) -> Option<u128> {
        match mailbox.take(Instant::now()) {
            Delivery::Frame(frame) => Some(frame.capture.as_duration().as_millis()),
            _ => None,
        }
    }

    #[test]
    fn the_latest_picture_wins_and_the_others_are_counted() {
        let mailbox = Mailbox::new();
        let sender = mailbox.sender();
        mailbox.admit(sender.id());
        for ms in 1..=3 {
            sender.send(numbered(&sender, ms));
        }
        assert_eq!(take_ms(&mailbox), Some(3));
        assert_eq!(take_ms(&mailbox), None);
        assert_eq!(mailbox.counts(), (3, 2));
    }

    #[test]
    fn only_the_admitted_source_gets_through() {
        let mailbox = Mailbox::new();
        let (old, new) = (mailbox.sender(), mailbox.sender());
        mailbox.admit(old.id());
        old.send(numbered(&old, 1));
        mailbox.admit(new.id());
        assert_eq!(
            take_ms(&mailbox),
            None,
            "a waiting picture of the old source is forgotten"
        );
        old.send(numbered(&old, 2));
        assert_eq!(take_ms(&mailbox), None);
        new.send(numbered(&new, 3));
        assert_eq!(take_ms(&mailbox), Some(3));
    }

    #[test]
    fn buffers_go_round_instead_of_being_allocated() {
        let mailbox = Mailbox::new();
        let sender = mailbox.sender();
        mailbox.admit(sender.id());
        let frame = sender.buffer(SIZE);
        let address = frame.y.as_ptr();
        sender.send(frame);
        let Delivery::Frame(frame) = mailbox.take(Instant::now()) else {
            panic!("nothing was delivered")
        };
        mailbox.recycle(frame);
        assert_eq!(sender.buffer(SIZE).y.as_ptr(), address);
    }

    #[tokio::test]
    async fn a_task_receives_the_latest_picture_and_the_end() {
        let mailbox = Mailbox::new();
        let sender = mailbox.sender();
        mailbox.admit(sender.id());
        let receiving = Arc::clone(&mailbox);
        let receiver = tokio::spawn(async move {
            let mut received = Vec::new();
            while let Some(frame) = receiving.receive().await {
                received.push(frame.capture.as_duration().as_millis());
                receiving.recycle(frame);
                if received.len() == 1 {
                    receiving.close();
                }
            }
            received
        });
        sender.send(numbered(&sender, 7));
        assert_eq!(receiver.await.expect("no panic"), [7]);
        assert!(mailbox.is_closed());
    }

    #[test]
    fn closing_wakes_whoever_waits() {
        let mailbox = Mailbox::new();
        let waiting = Arc::clone(&mailbox);
        let thread = std::thread::spawn(move || waiting.take(Instant::now() + Duration::from_hours(1)));
        mailbox.close();
        assert!(matches!(thread.join().expect("no panic"), Delivery::Closed));
    }
}
