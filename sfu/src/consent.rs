//! Whether a publisher is still there, where it makes no checks of ICE any more.
//!
//! Consent (RFC 7675) is about being sent to. Programs that only send often check the way once and never again, and the
//! engine takes them for gone, however much comes from them. Media that is genuine proves as much as a check does: its
//! sender has the keys of this connection, and still uses them.

use std::time::{Duration, Instant};

use str0m::IceConnectionState;

/// A publisher that nothing came from for so long is gone: as long as the engine waits for a check.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);

/// What keeps a publisher connected.
#[derive(Debug, Default)]
pub(crate) struct Consent {
    /// Nobody checks the way.
    is_unchecked: bool,
    /// When media came last, or keys were agreed on.
    heard_at: Option<Instant>,
}

impl Consent {
    /// Media came, which is genuine and no copy of what came before; or the handshake ended.
    pub(crate) fn hear(&mut self, now: Instant) {
        self.heard_at = Some(now);
    }

    pub(crate) fn note(&mut self, state: IceConnectionState) {
        self.is_unchecked = state == IceConnectionState::Disconnected;
    }

    /// When it ends if nothing more comes. `None`: the engine sees to it.
    pub(crate) fn ends_at(&self) -> Option<Instant> {
        let heard_at = self.heard_at.filter(|_| self.is_unchecked);
        heard_at.map(|at| at + SILENCE)
    }

    pub(crate) fn has_ended(&self, now: Instant) -> bool {
        self.is_unchecked && self.ends_at().is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use IceConnectionState::{Checking, Completed, Disconnected};

    #[test]
    fn it_ends_when_neither_checks_nor_media_come() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut consent = Consent::default();
        consent.note(Completed);
        assert!(!consent.has_ended(at(100)), "the engine knows of checks");
        consent.hear(at(100));
        consent.note(Disconnected);
        assert_eq!(consent.ends_at(), Some(at(115)));
        consent.hear(at(110));
        assert!(!consent.has_ended(at(124)) && consent.has_ended(at(125)));
        consent.note(Checking);
        assert!(
            !consent.has_ended(at(200)) && consent.ends_at().is_none(),
            "ICE was restarted"
        );
    }

    #[test]
    fn whoever_never_sent_anything_has_checks_alone() {
        let mut consent = Consent::default();
        consent.note(Disconnected);
        assert!(consent.has_ended(Instant::now()));
    }
}
