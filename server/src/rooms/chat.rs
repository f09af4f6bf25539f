//! What people say, and how much of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use footlight_protocol::{CHAT_HISTORY, ChatMessage, Role, UserId};

use super::influence::Influence;
use super::member::Badge;

/// Messages that somebody may write at once: a lively answer in pieces.
const BURST: f64 = 5.0;

/// Messages per second that somebody may write for ever. Nobody reads faster.
const PER_SECOND: f64 = 1.0;

/// Allowances of people who went that are kept, the newest. Most are whole again within seconds; where they are not, in slow
/// mode, it takes as many connections from one address to get rid of one's own.
const MAX_KEPT: usize = 1000;

/// Messages of hosts that are remembered as such when they have left the history: those of a day of much talk.
const MAX_HOSTS_MESSAGES: usize = 10_000;

/// How much one person may say.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    left: f64,
    counted_at: Instant,
    spoke_at: Option<Instant>,
    /// And how much else may be caused at the others.
    pub(super) influence: Influence,
}

/// Why a message has to wait, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Too many at once.
    Rate(Duration),
    /// Slow mode.
    Slow(Duration),
}

impl Allowance {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            counted_at: now,
            spoke_at: None,
            influence: Influence::new(now),
        }
    }

    /// Whether it is as good as a new one.
    pub(super) fn is_whole(&self, slow_mode: Duration, now: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        let may_speak = self.spoke_at.is_none_or(|spoke_at| since(spoke_at) >= slow_mode);
        may_speak
            && self.influence.is_whole(now)
            && self.left + since(self.counted_at).as_secs_f64() * PER_SECOND >= BURST
    }

    /// Accounts for a message, unless it has to wait.
    pub(super) fn spend(&mut self, slow_mode: Duration, now: Instant) -> Result<(), Wait> {
        if let Some(spoke_at) = self.spoke_at {
            let passed = now.saturating_duration_since(spoke_at);
            if let Some(left) = slow_mode.checked_sub(passed).filter(|left| !left.is_zero()) {
                return Err(Wait::Slow(left));
            }
        }
        let passed = now.saturating_duration_since(self.counted_at).as_secs_f64();
        self.counted_at = now;
        self.left = (self.left + passed * PER_SECOND).min(BURST);
        if self.left < 1.0 {
            return Err(Wait::Rate(Duration::from_secs_f64((1.0 - self.left) / PER_SECOND)));
        }
        self.left -= 1.0;
        self.spoke_at = Some(now);
        Ok(())
    }
}

/// Which messages are meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Written<'a> {
    /// The one of this id.
    As(&'a str),
    /// All of somebody's.
    By(&'a UserId),
}

/// The number that [`Chat::next_id`] makes a name of.
fn number(id: &str) -> Option<u64> {
    id.strip_prefix('m')?.parse().ok()
}

/// The last messages.
#[derive(Debug, Default)]
pub(super) struct Chat {
    messages: VecDeque<ChatMessage>,
    written: u64,
    pub(super) slow_mode: Duration,
    /// What those who went had left to say, for each of them one: a newcomer by whom one of them is recognised goes on with
    /// it, and the next newcomer from the same address, who may be somebody else, does not.
    kept: VecDeque<(Badge, Allowance)>,
    /// The numbers of hosts' messages that have left the history, and are still on somebody's page.
    hosts: VecDeque<u64>,
}

impl Chat {
    /// A name for the next message.
    pub(super) fn next_id(&mut self) -> String {
        self.written += 1;
        format!("m{}", self.written)
    }

    pub(super) fn add(&mut self, message: ChatMessage) {
        if self.messages.len() >= CHAT_HISTORY {
            let oldest = self.messages.pop_front().filter(|oldest| oldest.role == Role::Host);
            self.hosts.extend(oldest.and_then(|oldest| number(&oldest.message_id)));
            if self.hosts.len() > MAX_HOSTS_MESSAGES {
                self.hosts.pop_front();
            }
        }
        self.messages.push_back(message);
    }

    pub(super) fn history(&self) -> Vec<ChatMessage> {
        self.messages.iter().cloned().collect()
    }

    /// Whether it was there, or is at least old enough to have been.
    pub(super) fn delete(&mut self, id: &str) -> bool {
        let before = self.messages.len();
        self.messages.retain(|message| message.message_id != id);
        // One that has left the history is still on somebody's page.
        before != self.messages.len() || number(id).is_some_and(|number| (1..=self.written).contains(&number))
    }

    /// Whether somebody wrote this message, or any of `user`'s, as the host.
    pub(super) fn is_of_host(&self, of: Written<'_>) -> bool {
        let mut by_host = self.messages.iter().filter(|message| message.role == Role::Host);
        match of {
            Written::As(id) => {
                let has_left = number(id).is_some_and(|number| self.hosts.contains(&number));
                has_left || by_host.any(|message| message.message_id == id)
            }
            Written::By(user) => by_host.any(|message| message.user_id == *user),
        }
    }

    /// Keeps what somebody who goes has left to say.
    pub(super) fn keep(&mut self, badge: Badge, allowance: Allowance, now: Instant) {
        let slow_mode = self.slow_mode;
        self.kept.retain(|(_, kept)| !kept.is_whole(slow_mode, now));
        if !allowance.is_whole(slow_mode, now) {
            self.kept.push_back((badge, allowance));
        }
        if self.kept.len() > MAX_KEPT {
            self.kept.pop_front();
        }
    }

    /// Takes what the last one of this badge who went had left to say.
    pub(super) fn take_up(&mut self, badge: Badge, now: Instant) -> Option<Allowance> {
        let slow_mode = self.slow_mode;
        let is_theirs = |(of, kept): &(Badge, Allowance)| *of == badge && !kept.is_whole(slow_mode, now);
        let at = self.kept.iter().rposition(is_theirs)?;
        self.kept.remove(at).map(|(_, allowance)| allowance)
    }

    pub(super) fn clear(&mut self, user: &UserId) {
        self.messages.retain(|message| message.user_id != *user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_at_once_and_then_one_a_second() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        for _ in 0..5 {
            assert_eq!(allowance.spend(Duration::ZERO, now), Ok(()));
        }
        assert_eq!(
            allowance.spend(Duration::ZERO, now),
            Err(Wait::Rate(Duration::from_secs(1)))
        );
        assert_eq!(allowance.spend(Duration::ZERO, now + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn slow_mode_counts_from_the_last_message_that_was_let_through() {
        let now = Instant::now();
        let slow = Duration::from_secs(30);
        let mut allowance = Allowance::new(now);
        assert_eq!(allowance.spend(slow, now), Ok(()));
        let soon = now + Duration::from_secs(10);
        assert_eq!(allowance.spend(slow, soon), Err(Wait::Slow(Duration::from_secs(20))));
        assert_eq!(allowance.spend(slow, now + slow), Ok(()));
    }
}
