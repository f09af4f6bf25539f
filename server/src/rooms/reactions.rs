//! How the others hear of reactions: each of a few, and only their number where they are many.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use footlight_protocol::{Reaction, ServerEvent};

/// Over this time reactions are merged. Together with [`NAMED`] it bounds what anybody is sent, at ten messages a second,
/// whatever the number of those who react.
const WINDOW: Duration = Duration::from_millis(500);

/// Reactions of each window that are told at once and with a name.
const NAMED: u32 = 4;

/// Merges reactions.
#[derive(Debug, Default)]
pub(super) struct Reactions {
    since: Option<Instant>,
    named: u32,
    waiting: BTreeMap<Reaction, u32>,
}

impl Reactions {
    /// Whether this one is told at once. Otherwise it is counted, and told with the others by [`Self::poll`].
    pub(super) fn add(&mut self, reaction: Reaction, now: Instant) -> bool {
        if self.waiting.is_empty() && self.is_due(now) {
            self.since = Some(now);
            self.named = 0;
        }
        if self.named < NAMED && self.waiting.is_empty() {
            self.named += 1;
            return true;
        }
        *self.waiting.entry(reaction).or_default() += 1;
        false
    }

    /// Those that waited, once their time has come.
    pub(super) fn poll(&mut self, now: Instant) -> Option<ServerEvent> {
        if self.waiting.is_empty() || !self.is_due(now) {
            return None;
        }
        self.since = Some(now);
        self.named = 0;
        let counts = std::mem::take(&mut self.waiting);
        Some(ServerEvent::Reactions { counts })
    }

    fn is_due(&self, now: Instant) -> bool {
        self.since
            .is_none_or(|since| now.saturating_duration_since(since) >= WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_a_second_are_a_few_messages_and_none_is_lost() {
        let start = Instant::now();
        let mut reactions = Reactions::default();
        let (mut messages, mut counted) = (0, 0);
        for n in 0..10_000_u32 {
            let now = start + Duration::from_micros(u64::from(n) * 100);
            if reactions.add(Reaction::Fire, now) {
                messages += 1;
                counted += 1;
            }
            if n % 2_500 == 0
                && let Some(ServerEvent::Reactions { counts }) = reactions.poll(now)
            {
                messages += 1;
                counted += counts.values().sum::<u32>();
            }
        }
        if let Some(ServerEvent::Reactions { counts }) = reactions.poll(start + Duration::from_secs(2)) {
            messages += 1;
            counted += counts.values().sum::<u32>();
        }
        assert_eq!(counted, 10_000);
        assert!(messages <= 12, "{messages}");
    }

    #[test]
    fn a_few_have_names() {
        let mut reactions = Reactions::default();
        let now = Instant::now();
        assert!((0..4).all(|_| reactions.add(Reaction::Heart, now)));
        assert!(!reactions.add(Reaction::Heart, now));
        assert_eq!(reactions.poll(now), None);
        let counts = BTreeMap::from([(Reaction::Heart, 1)]);
        assert_eq!(reactions.poll(now + WINDOW), Some(ServerEvent::Reactions { counts }));
    }
}
