//! What waits to be sent to one participant.

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc;

/// Messages that may wait for one participant. Presence is merged to four a second and reactions to ten, and nobody may
/// chat for long at more than one a second; a busy room is some twenty messages a second, so that this many mean that the
/// other side has read nothing for some ten seconds. At some 200 bytes each, shared between the participants that get the
/// same one, they are a few dozen KiB.
const CAPACITY: usize = 256;

/// One participant may cause so many at another, and in a mesh as many signals: two who do so at once must not make anybody
/// look slow.
const _: () = assert!(CAPACITY > 4 * crate::rooms::MOST_AT_ONCE as usize);

/// Why the server closes a participant's WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// It did not read what it was sent.
    TooSlow,
    /// The same participant has a newer connection.
    Replaced,
    /// A host or cohost sent this one away.
    SentAway,
}

/// What waits.
#[derive(Debug, Clone)]
pub enum Item {
    /// An encoded message.
    Message(Utf8Bytes),
    /// The end, after all that was said before.
    Close(Closing),
}

/// The sending end, kept by the session. Dropping it lets the other end send what waits and then close.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: mpsc::Sender<Item>,
    closing: mpsc::Sender<Closing>,
}

/// The receiving end, kept by the task that owns the socket.
#[derive(Debug)]
pub struct Mail {
    /// Messages; the end of the queue means that the session is over.
    pub queue: mpsc::Receiver<Item>,
    /// Overtakes the queue.
    pub closing: mpsc::Receiver<Closing>,
}

impl Outbox {
    pub(super) fn new() -> (Self, Mail) {
        let (queue, queue_end) = mpsc::channel(CAPACITY);
        let (closing, closing_end) = mpsc::channel(1);
        let mail = Mail {
            queue: queue_end,
            closing: closing_end,
        };
        (Self { queue, closing }, mail)
    }

    /// Never waits: a participant that reads too slowly is closed, and may come back for the state as it then is.
    pub(super) fn push(&self, message: Utf8Bytes) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.queue.try_send(Item::Message(message)) {
            self.close(Closing::TooSlow);
        }
    }

    /// Closes after what waits has been sent.
    pub(super) fn close_after(&self, why: Closing) {
        if self.queue.try_send(Item::Close(why)).is_err() {
            self.close(why);
        }
    }

    /// Closes at once.
    pub(super) fn close(&self, why: Closing) {
        // A full channel holds an earlier reason to close, which stands.
        let _ = self.closing.try_send(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_farewell_is_heard_before_the_end() {
        let (outbox, mut mail) = Outbox::new();
        outbox.push("good-bye".into());
        outbox.close_after(Closing::SentAway);
        assert!(matches!(mail.queue.try_recv(), Ok(Item::Message(_))));
        assert!(matches!(mail.queue.try_recv(), Ok(Item::Close(Closing::SentAway))));
        assert!(mail.closing.try_recv().is_err());
    }

    #[test]
    fn who_reads_nothing_is_closed_and_blocks_nobody() {
        let (outbox, mut mail) = Outbox::new();
        for _ in 0..CAPACITY {
            outbox.push("x".into());
        }
        assert!(mail.closing.try_recv().is_err());
        outbox.push("one too many".into());
        outbox.push("and another".into());
        assert_eq!(mail.closing.try_recv(), Ok(Closing::TooSlow));
    }
}
