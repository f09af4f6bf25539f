//! Small copies of the picture, for whoever is filmed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    units::Resolution,
    video::{
        convert::{Converter, fitted},
        frame::Frame,
        mailbox::{Mailbox, Sender},
    },
};

/// What the picture source delivers, or the card in its place while it is lost, made small. The latest copy wins: whoever is slow sees
/// fewer, never older ones. Dropping it ends the copying.
#[derive(Debug)]
pub struct Preview(Arc<Mailbox>);

impl Preview {
    /// Waits for a copy that was not seen yet; none once another preview has taken the place of this one, or the pipeline has ended.
    ///
    /// Cancel safe.
    pub async fn receive(&self) -> Option<Frame> {
        self.0.receive().await
    }

    /// Gives a copy back, to be drawn into again.
    pub fn recycle(&self, copy: Frame) {
        self.0.recycle(copy);
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Where the encode thread leaves its copies.
#[derive(Debug, Default)]
pub(super) struct PreviewTap(Mutex<Option<Open>>);

/// A preview that somebody looks at.
struct Open {
    bounds: Resolution,
    mailbox: Arc<Mailbox>,
    sender: Sender,
    converter: Converter,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open")
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

impl PreviewTap {
    /// Begins to copy, for somebody who takes the place of whoever looked before.
    pub(super) fn open(&self, bounds: Resolution) -> Preview {
        let mailbox = Mailbox::new();
        let sender = mailbox.sender();
        mailbox.admit(sender.id());
        let earlier = self.lock().replace(Open {
            bounds,
            mailbox: Arc::clone(&mailbox),
            sender,
            converter: Converter::default(),
        });
        if let Some(earlier) = earlier {
            earlier.mailbox.close();
        }
        Preview(mailbox)
    }

    /// Copies `frame`, where somebody looks.
    pub(super) fn show(&self, frame: &Frame) {
        let mut place = self.lock();
        let Some(open) = place.as_mut() else {
            return;
        };
        if open.mailbox.is_closed() {
            *place = None;
            return;
        }
        let mut copy = open.sender.buffer(fitted(frame.size(), open.bounds));
        match open.converter.scale(frame, &mut copy) {
            Ok(()) => {
                copy.capture = frame.capture;
                copy.content = frame.content;
                open.sender.send(copy);
            }
            Err(error) => tracing::debug!(%error, "a picture was not copied for the preview"),
        }
    }

    /// Ends the preview, because its pipeline ends.
    pub(super) fn close(&self) {
        if let Some(open) = self.lock().take() {
            open.mailbox.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        // A copy that is left half done is drawn over by the next one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
