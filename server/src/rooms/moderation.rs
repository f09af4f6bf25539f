//! What host and cohosts do to others.

use footlight_protocol::{MediaKind, ParticipantAction, Role, ServerEvent, UserId};

use super::command::Effect;
use super::refusal::{Refusal, check};
use super::room::{Now, Room};

impl Room {
    pub(super) fn moderate(
        &mut self,
        by: &UserId,
        role: Role,
        target: &UserId,
        action: ParticipantAction,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        check(role, action.into())?;
        if by == target {
            return Err(Refusal::OnOneself);
        }
        let target_role = self.role_of(target).ok_or(Refusal::Nobody)?;
        if target_role == Role::Host {
            return Err(Refusal::OnHost);
        }
        let name = self.name_of(by);
        match action {
            ParticipantAction::MuteAudio => self.mute(target, MediaKind::Audio, true, name, effects),
            ParticipantAction::UnmuteAudio => self.mute(target, MediaKind::Audio, false, name, effects),
            ParticipantAction::MuteVideo => self.mute(target, MediaKind::Video, true, name, effects),
            ParticipantAction::UnmuteVideo => self.mute(target, MediaKind::Video, false, name, effects),
            ParticipantAction::Promote => self.promote(target, target_role, now, effects),
            ParticipantAction::Demote => {
                let lower = match target_role {
                    Role::Cohost => Role::Guest,
                    Role::Guest => Role::Viewer,
                    Role::Viewer | Role::Host => return Err(Refusal::AtBottom),
                };
                if let Some(member) = self.members.get_mut(target) {
                    member.ceiling = Some(lower);
                }
                self.set_role(target, lower, now, effects);
                Ok(())
            }
            ParticipantAction::Kick => {
                self.send_away(target, name, false, now, effects);
                Ok(())
            }
            ParticipantAction::Ban => {
                self.send_away(target, name, true, now, effects);
                Ok(())
            }
        }
    }

    fn promote(&mut self, target: &UserId, role: Role, now: Now, effects: &mut Vec<Effect>) -> Result<(), Refusal> {
        let higher = match role {
            Role::Viewer if self.stage_is_full() => {
                return Err(Refusal::StageFull(self.settings.mode.guest_limit()));
            }
            Role::Viewer => Role::Guest,
            Role::Guest => Role::Cohost,
            Role::Cohost | Role::Host => return Err(Refusal::AtTop),
        };
        self.set_role(target, higher, now, effects);
        Ok(())
    }

    fn mute(
        &mut self,
        target: &UserId,
        kind: MediaKind,
        muted: bool,
        by: String,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let member = self.members.get_mut(target).ok_or(Refusal::Nobody)?;
        if !member.is_on_stage() {
            return Err(Refusal::NotOnStage);
        }
        let (is_muted, enabled) = match kind {
            MediaKind::Audio => (&mut member.muted.audio, &mut member.audio_enabled),
            MediaKind::Video => (&mut member.muted.video, &mut member.video_enabled),
        };
        if *is_muted == muted {
            return Ok(());
        }
        *is_muted = muted;
        // Turned off for good: allowed again, it is the owner of the microphone who turns it on.
        if member.resume_token.is_some() {
            *enabled = false;
        }
        let event = match (kind, muted) {
            (MediaKind::Audio, true) => ServerEvent::ForceMuteAudio { by },
            (MediaKind::Video, true) => ServerEvent::ForceMuteVideo { by },
            (kind, false) => ServerEvent::UnmuteAllowed { kind, by },
        };
        let changed = member.media_changed();
        effects.push(Effect::Mute {
            user: target.clone(),
            kind,
            muted,
        });
        Self::tell(target, event, effects);
        self.tell_all(changed, effects);
        if kind == MediaKind::Audio && muted {
            self.speaking(target.clone(), None, effects);
        }
        Ok(())
    }

    fn send_away(&mut self, target: &UserId, by: String, ban: bool, now: Now, effects: &mut Vec<Effect>) {
        let done = if ban { "banned" } else { "removed" };
        let reason = format!("You were {done} from this session by {by}.");
        Self::tell(target, ServerEvent::Kicked { by, reason }, effects);
        // Before the others hear of it, so that nothing of this reaches the one who is gone.
        effects.push(Effect::Disconnect(target.clone()));
        let Some(member) = self.remove(target, now, effects) else {
            return;
        };
        self.barred_users.insert(target.clone());
        self.barred_badges
            .extend([member.badges.visitor, member.badges.bearer].into_iter().flatten());
        if ban {
            self.barred_badges.extend(member.badges.address);
        }
    }
}
