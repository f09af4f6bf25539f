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

#[derive(Debug, Default)]
struct Open {
    last: u32,
    subscriptions: HashMap<SubscriptionId, Arc<Subscription>>,
}

impl Subscriptions {
    pub(super) fn add(&self, subscription: Subscription) -> Result<SubscriptionId, Failure> {
        let mut open = self.open.lock();
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

    pub(super) fn close_all(&self) {
        let closed = std::mem::take(&mut self.open.lock().subscriptions);
        drop(closed);
    }
}

impl From<SubscribeError> for Failure {
    fn from(error: SubscribeError) -> Self {
        Self::system(&error)
    }
}
