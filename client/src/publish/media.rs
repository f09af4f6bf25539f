//! Carries encoded media from whatever pipeline there is to whatever connection there is.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use crate::publish::outlet::Payload;
use crate::record::Intake;

/// One track's media on its way. Dropping it ends the carrying.
pub(crate) struct Carrier<P: Payload> {
    changes: Arc<Changes<P>>,
    task: AbortHandle,
}

/// What is to change before the next packet. A later change takes the place of one that was not made yet.
struct Changes<P: Payload> {
    pending: Mutex<Pending<P>>,
    told: Notify,
}

struct Pending<P: Payload> {
    media: Option<mpsc::Receiver<P>>,
    way: Turn<P::Way>,
    copies: Turn<Intake>,
}

/// Where to carry to.
enum Turn<W> {
    /// As before.
    StraightOn,
    Nowhere,
    To(W),
}

impl<W> Turn<W> {
    /// Makes the turn, once.
    fn take(&mut self, current: &mut Option<W>) {
        match std::mem::replace(self, Self::StraightOn) {
            Self::StraightOn => {}
            Self::Nowhere => *current = None,
            Self::To(next) => *current = Some(next),
        }
    }
}

impl<P: Payload> Carrier<P> {
    /// Begins to carry `media`, nowhere yet. Must be called within a tokio runtime.
    pub(crate) fn of(media: mpsc::Receiver<P>) -> Self {
        let changes = Arc::new(Changes {
            pending: Mutex::new(Pending {
                media: None,
                way: Turn::StraightOn,
                copies: Turn::StraightOn,
            }),
            told: Notify::new(),
        });
        let task = tokio::spawn(carry(media, Arc::clone(&changes))).abort_handle();
        Self { changes, task }
    }

    /// Carries what another pipeline makes from now on. The connection sees one track that goes on.
    pub(crate) fn feed(&self, media: mpsc::Receiver<P>) {
        self.change(|pending| pending.media = Some(media));
    }

    /// Carries to another connection from now on, or nowhere.
    pub(crate) fn lead(&self, way: Option<P::Way>) {
        self.change(|pending| pending.way = way.map_or(Turn::Nowhere, Turn::To));
    }

    /// Keeps a copy of all that is made from now on, or of nothing any more.
    pub(crate) fn copy(&self, to: Option<Intake>) {
        self.change(|pending| pending.copies = to.map_or(Turn::Nowhere, Turn::To));
    }

    fn change(&self, change: impl FnOnce(&mut Pending<P>)) {
        change(&mut self.changes.pending.lock().unwrap_or_else(PoisonError::into_inner));
        self.changes.told.notify_one();
    }
}

impl<P: Payload> std::fmt::Debug for Carrier<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carrier").finish_non_exhaustive()
    }
}

impl<P: Payload> Drop for Carrier<P> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Between connections media is taken and thrown away: the pipeline keeps its pace, and what is sent first afterwards
/// is new. A connection that takes packets slowly (TCP does) holds this task up, and the pipeline then drops by its own
/// rules.
async fn carry<P: Payload>(mut media: mpsc::Receiver<P>, changes: Arc<Changes<P>>) {
    let mut way: Option<P::Way> = None;
    let mut copies: Option<Intake> = None;
    loop {
        tokio::select! {
            biased;
            () = changes.told.notified() => {
                let mut pending = changes.pending.lock().unwrap_or_else(PoisonError::into_inner);
                media = pending.media.take().unwrap_or(media);
                pending.way.take(&mut way);
                pending.copies.take(&mut copies);
            }
            Some(packet) = media.recv() => {
                if let Some(copies) = &copies {
                    copies.put(packet.kept());
                }
                if let Some(open) = &mut way
                    && let Err(error) = packet.send(open).await
                {
                    // The supervisor notices a dead connection by itself, and sets the next one.
                    tracing::debug!(%error, "connection takes no packets");
                    way = None;
                }
            }
        }
    }
}
