//! How much one participant may cause at the others.

use std::time::{Duration, Instant};

use footlight_protocol::{ClientMessage, ParticipantAction, UserId};

use super::command::Effect;
use super::member::Member;

/// Messages that one participant may cause at another at once: far fewer than may wait for anybody, so that nobody is taken
/// for one who does not read for what somebody else does. A host who puts a show in order sends a dozen.
pub const MOST_AT_ONCE: u32 = 60;

/// Messages per second that this may go on with for ever.
const PER_SECOND: f64 = 5.0;

/// What asking to come on the stage costs, in messages: it rings at those who decide, and taking it back and asking again is
/// no reason to ring as often.
const REQUEST_WEIGHT: u32 = 10;

/// A token bucket, in messages.
#[derive(Debug, Clone)]
pub(super) struct Influence {
    left: f64,
    counted_at: Instant,
}

impl Influence {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            left: f64::from(MOST_AT_ONCE),
            counted_at: now,
        }
    }

    fn left(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.counted_at).as_secs_f64();
        (self.left + passed * PER_SECOND).min(f64::from(MOST_AT_ONCE))
    }

    /// Whether it is as good as a new one.
    pub(super) fn is_whole(&self, now: Instant) -> bool {
        self.left(now) >= f64::from(MOST_AT_ONCE)
    }

    /// How long the next message has to wait; `None` where it need not.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let missing = 1.0 - self.left(now);
        (missing > 0.0).then(|| Duration::from_secs_f64(missing / PER_SECOND))
    }

    /// Accounts for messages, also for those that were not asked about.
    pub(super) fn spend(&mut self, messages: u32, now: Instant) {
        self.left = self.left(now) - f64::from(messages);
        self.counted_at = now;
    }
}

/// Whether a participant who has caused too much has to wait with this.
pub(super) fn has_to_wait(message: &ClientMessage, member: &Member) -> bool {
    use ParticipantAction::{Ban, Demote, Kick, MuteAudio, MuteVideo};
    match message {
        // What reaches nobody, and what is bounded in another way. And less is possible at any time: it can be done again
        // only after its contrary, which has to wait.
        ClientMessage::Ping
        | ClientMessage::KeepAlive
        | ClientMessage::Slot { .. }
        | ClientMessage::WebrtcSignal { .. }
        | ClientMessage::Chat { .. }
        | ClientMessage::Reaction { .. }
        | ClientMessage::RespondGuest { .. }
        | ClientMessage::WithdrawRequest
        | ClientMessage::StopBroadcast
        | ClientMessage::EndSession => false,
        ClientMessage::ParticipantAction { action_type, .. } => {
            !matches!(action_type, MuteAudio | MuteVideo | Demote | Kick | Ban)
        }
        ClientMessage::UpdateMediaStatus {
            audio_enabled,
            video_enabled,
        } => (*audio_enabled && !member.audio_enabled) || (*video_enabled && !member.video_enabled),
        ClientMessage::RequestGuest
        | ClientMessage::DeleteMessage { .. }
        | ClientMessage::ClearMessages { .. }
        | ClientMessage::SlowMode { .. }
        | ClientMessage::StartBroadcast => true,
    }
}

/// What each message counts that this one causes. Nothing for what cannot be repeated at will: each answers a request, which
/// the one who asked has paid for, or sends one person away; and signals in a mesh are counted for each receiver.
pub(super) fn weight(message: &ClientMessage) -> u32 {
    use ParticipantAction::{Ban, Kick};
    match message {
        ClientMessage::RespondGuest { .. }
        | ClientMessage::WebrtcSignal { .. }
        | ClientMessage::ParticipantAction {
            action_type: Kick | Ban,
            ..
        } => 0,
        ClientMessage::RequestGuest => REQUEST_WEIGHT,
        _ => 1,
    }
}

/// Messages that go to whoever of the others is told the most.
pub(super) fn most_at_one(effects: &[Effect], sender: &UserId) -> u32 {
    let mut to_all = 0;
    let mut to_each = std::collections::BTreeMap::<&UserId, u32>::new();
    for effect in effects {
        match effect {
            Effect::TellAll { .. } => to_all += 1,
            Effect::Tell { user, .. } if user != sender => *to_each.entry(user).or_default() += 1,
            _ => {}
        }
    }
    to_all + to_each.into_values().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_a_few_a_second() {
        let now = Instant::now();
        let mut influence = Influence::new(now);
        for _ in 0..MOST_AT_ONCE {
            assert_eq!(influence.wait(now), None);
            influence.spend(1, now);
        }
        assert_eq!(influence.wait(now), Some(Duration::from_millis(200)));
        let later = now + Duration::from_millis(200);
        assert_eq!(influence.wait(later), None);
        assert!(!influence.is_whole(later));
        assert!(influence.is_whole(now + Duration::from_secs(12)));
    }
}
