//! What pages in a web view without WebRTC cannot do by themselves: devices, encoding, sending, receiving and playing, by
//! `footlight-client`. The pages keep the room; here is what its media needs.
//!
//! ```text
//! pages ── commands ──▶ studio        camera, microphone, screen, and the connection that sends them
//!                  ├──▶ subscriptions what others send
//!                  └──▶ loudspeaker   where their sound comes out
//! pages ◀── WebSocket on the loopback interface, one for each picture on the page ── pictures
//! ```
//!
//! Pictures go over a WebSocket because every other way into a web view costs more: a channel of the window's has no
//! backpressure and encodes, and a scheme copies.

mod commands;
mod devices;
mod feeds;
mod loudspeaker;
mod studio;
mod subscriptions;

use std::sync::Arc;

use footlight_client::studio::Studio;
use parking_lot::Mutex;

pub(crate) use commands::*;
use feeds::Feeds;
use loudspeaker::Loudspeaker;
use subscriptions::Subscriptions;

use crate::failure::Failure;
use studio::Publishing;

/// All media of the window.
#[derive(Debug, Default)]
pub(crate) struct Media {
    studio: Mutex<Option<Arc<Studio>>>,
    publishing: Publishing,
    subscriptions: Subscriptions,
    loudspeaker: Arc<Loudspeaker>,
    feeds: tokio::sync::OnceCell<Arc<Feeds>>,
}

impl Media {
    /// The studio, whose clock runs from its first use.
    fn studio(&self) -> Arc<Studio> {
        Arc::clone(self.studio.lock().get_or_insert_with(|| Arc::new(Studio::new())))
    }

    /// Where the page fetches pictures from.
    async fn feeds(&self) -> Result<&Arc<Feeds>, Failure> {
        self.feeds
            .get_or_try_init(Feeds::serve)
            .await
            .map_err(|error| Failure::system(&error))
    }

    /// The page is gone: nothing is captured, sent or received for it any more.
    pub(crate) fn close_all(&self) {
        self.publishing.leave_page();
        self.subscriptions.leave_page();
        self.loudspeaker.forget();
        if let Some(feeds) = self.feeds.get() {
            feeds.close_all();
        }
        // Devices are let go on a thread that may wait for their drivers.
        if let Some(studio) = self.studio.lock().take() {
            std::thread::spawn(move || drop(studio));
        }
    }
}
