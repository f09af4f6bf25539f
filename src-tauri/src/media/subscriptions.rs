//! The connections that receive: one for the room, and one for each tile of the grid.

use std::collections::HashMap;
use std::sync::Arc;

use footlight_client::subscribe::{SubscribeError, Subscription};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// A grid shows some dozen streams at once, and each is a connection.
const MAX_SUBSCRIPTIONS: usize = 32;

/// Names a subscription to the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SubscriptionId(u32);

/// All that the page receives.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    open: Mutex<Open>,
}

/// The page that asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Page(u32);

#[derive(Debug, Default)]
struct Open {
    /// What one page asked for is of no use to the next.
    page: Page,
    last: u32,
    subscriptions: HashMap<SubscriptionId, Arc<Subscription>>,
}

impl Subscriptions {
    /// The page that is there now.
    pub(super) fn page(&self) -> Page {
        self.open.lock().page
    }

    /// Adds what `page` asked for, unless that is gone.
    pub(super) fn add(&self, page: Page, subscription: Subscription) -> Result<SubscriptionId, Failure> {
        let mut open = self.open.lock();
        if open.page != page {
            return Err(Failure::page_gone());
        }
        if open.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err(Failure::Busy);
        }
        open.last = open.last.wrapping_add(1);
        let id = SubscriptionId(open.last);
        open.subscriptions.insert(id, Arc::new(subscription));
        Ok(id)
    }

    pub(super) fn get(&self, id: SubscriptionId) -> Result<Arc<Subscription>, Failure> {
        let found = self.open.lock().subscriptions.get(&id).cloned();
        found.ok_or_else(|| Failure::invalid("This subscription has ended."))
    }

    pub(super) fn all(&self) -> Vec<Arc<Subscription>> {
        self.open.lock().subscriptions.values().cloned().collect()
    }

    pub(super) fn close(&self, id: SubscriptionId) {
        let closed = self.open.lock().subscriptions.remove(&id);
        drop(closed);
    }

    /// The page is gone: ends all that there are, and those that are being made.
    pub(super) fn leave_page(&self) {
        let mut open = self.open.lock();
        open.page.0 = open.page.0.wrapping_add(1);
        let closed = std::mem::take(&mut open.subscriptions);
        drop(open);
        // A window says so on a thread of its own, and connections are closed within the runtime.
        tauri::async_runtime::spawn(async move { drop(closed) });
    }
}

impl From<SubscribeError> for Failure {
    fn from(error: SubscribeError) -> Self {
        Self::system(&error)
    }
}

#[cfg(test)]
mod tests {
    use footlight_client::audio::playback::Output;
    use footlight_client::clock::MediaClock;
    use footlight_client::subscribe::{SubscribeSetup, Wanted};

    use super::*;

    async fn subscription() -> Subscription {
        let setup = SubscribeSetup {
            host: "127.0.0.1".to_owned(),
            wanted: Wanted { audio: 1, video: 1 },
            encoded: Vec::new(),
            output: Output::None,
            clock: MediaClock::start(),
        };
        Subscription::offer(setup).await.expect("an offer").0
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_page_asked_for_that_is_gone_takes_no_place() {
        let subscriptions = Subscriptions::default();
        let page = subscriptions.page();
        subscriptions.add(page, subscription().await).expect("a place");
        subscriptions.leave_page();
        assert!(subscriptions.all().is_empty());
        assert!(subscriptions.add(page, subscription().await).is_err());
        assert!(subscriptions.all().is_empty());
        let next = subscriptions.page();
        subscriptions.add(next, subscription().await).expect("a place");
    }
}
