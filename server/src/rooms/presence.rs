//! How often the others hear of comings and goings.

use std::time::{Duration, Instant};

use footlight_protocol::ServerEvent;

/// Up to this many members everybody hears of everybody at once: it is few enough that names matter and cost nothing.
const SMALL_ROOM: usize = 32;

/// In a bigger room presence is told at most this often. Ten thousand viewers who arrive within a minute would otherwise
/// cause a hundred million messages; four updates a second keep a counter lively.
const INTERVAL: Duration = Duration::from_millis(250);

/// Merges comings and goings: only the newest one is kept, and it carries the viewer count of its moment.
#[derive(Debug, Default)]
pub(super) struct Presence {
    told_at: Option<Instant>,
    waiting: Option<ServerEvent>,
}

impl Presence {
    /// Offers an event; gives it back where it may be told now.
    pub(super) fn offer(&mut self, event: ServerEvent, members: usize, now: Instant) -> Option<ServerEvent> {
        if members <= SMALL_ROOM || self.due(now) {
            self.told_at = Some(now);
            // Whatever waited is older than this one, and its count is stale.
            self.waiting = None;
            return Some(event);
        }
        self.waiting = Some(event);
        None
    }

    /// The event that waited, once its time has come.
    pub(super) fn poll(&mut self, now: Instant) -> Option<ServerEvent> {
        if !self.due(now) {
            return None;
        }
        let event = self.waiting.take()?;
        self.told_at = Some(now);
        Some(event)
    }

    fn due(&self, now: Instant) -> bool {
        self.told_at
            .is_none_or(|told_at| now.saturating_duration_since(told_at) >= INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_room_hears_everything_at_once() {
        let mut presence = Presence::default();
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(
                presence.offer(ServerEvent::Pong, SMALL_ROOM, now),
                Some(ServerEvent::Pong)
            );
        }
        assert_eq!(presence.poll(now + INTERVAL), None);
    }

    #[test]
    fn a_big_room_hears_the_newest_once_per_interval() {
        let mut presence = Presence::default();
        let now = Instant::now();
        assert!(presence.offer(ServerEvent::Pong, 1000, now).is_some());
        let older = ServerEvent::Pong;
        let newer = ServerEvent::SessionEnded {
            reason: footlight_protocol::EndReason::Idle,
        };
        assert_eq!(presence.offer(older, 1001, now), None);
        assert_eq!(presence.offer(newer.clone(), 1002, now), None);
        assert_eq!(presence.poll(now), None);
        assert_eq!(presence.poll(now + INTERVAL), Some(newer));
        assert_eq!(presence.poll(now + 2 * INTERVAL), None);
    }
}
