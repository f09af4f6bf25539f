//! What is remembered of people who went: a mute or a lower role would be worth nothing if going out and in again undid it.

use std::collections::BTreeMap;

use footlight_protocol::{Role, UserId};

use super::member::Member;
use crate::media::Muted;

/// People that are remembered at a time. Behind each stands a decision of a host's or cohost's, of which nobody makes
/// thousands; beyond it the oldest are strangers again.
const MAX_REMEMBERED: usize = 1000;

/// What was decided about somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Moderation {
    /// What is turned off.
    pub(super) muted: Muted,
    /// The highest role that is left to whoever was demoted, whatever a token says.
    pub(super) ceiling: Option<Role>,
}

impl Moderation {
    fn of(member: &Member) -> Self {
        Self {
            muted: member.muted,
            ceiling: member.ceiling,
        }
    }
}

/// Those who went.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: BTreeMap<UserId, (u64, Moderation)>,
    /// Counts up with each of them: the lowest number is the oldest.
    counted: u64,
}

impl Memory {
    /// Keeps what was decided about somebody who goes.
    pub(super) fn keep(&mut self, member: &Member) {
        let moderation = Moderation::of(member);
        if moderation == Moderation::default() {
            return;
        }
        self.counted += 1;
        self.kept.insert(member.user.clone(), (self.counted, moderation));
        if self.kept.len() > MAX_REMEMBERED {
            let oldest = self.kept.iter().min_by_key(|(_, (number, _))| *number);
            if let Some(oldest) = oldest.map(|(user, _)| user.clone()) {
                self.kept.remove(&oldest);
            }
        }
    }

    /// What was decided about somebody who is not there.
    pub(super) fn of(&self, user: &UserId) -> Moderation {
        self.kept
            .get(user)
            .map(|(_, moderation)| *moderation)
            .unwrap_or_default()
    }

    /// The same, for somebody who is there again.
    pub(super) fn take(&mut self, user: &UserId) -> Moderation {
        self.kept
            .remove(user)
            .map(|(_, moderation)| moderation)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn demoted(number: usize) -> Member {
        let user = format!("u{number}").parse().expect("a user id");
        let mut member = Member::new(user, String::new(), Role::Viewer, 0, Instant::now());
        member.ceiling = Some(Role::Viewer);
        member
    }

    #[test]
    fn the_newest_are_remembered_and_those_of_whom_there_is_nothing_to_remember_are_not() {
        let mut memory = Memory::default();
        for number in 0..=MAX_REMEMBERED {
            memory.keep(&demoted(number));
        }
        assert_eq!(memory.of(&demoted(0).user), Moderation::default());
        assert_eq!(memory.take(&demoted(1).user).ceiling, Some(Role::Viewer));
        assert_eq!(memory.take(&demoted(1).user), Moderation::default());
        let mut plain = demoted(0);
        plain.ceiling = None;
        memory.keep(&plain);
        assert_eq!(memory.kept.len(), MAX_REMEMBERED - 1);
    }
}
