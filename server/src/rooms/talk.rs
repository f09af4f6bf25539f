//! Chat and reactions.

use std::time::Duration;

use footlight_protocol::{
    ChatMessage, MAX_CHAT_CHARS, MAX_SLOW_MODE_SECONDS, Reaction, Right, Role, ServerEvent, UserId,
};

use super::chat::{Wait, Written};
use super::command::Effect;
use super::refusal::{Refusal, check};
use super::room::{Now, Room, rfc3339};
use crate::text;

impl Room {
    pub(super) fn say(
        &mut self,
        user: &UserId,
        message: &str,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let Some(member) = self.members.get_mut(user) else {
            return Ok(());
        };
        check(member.role, Right::Chat)?;
        let Some(message) = text::line(message) else {
            return Ok(());
        };
        let chars = message.chars().count();
        if chars > MAX_CHAT_CHARS {
            return Err(Refusal::TooLong(chars));
        }
        let slow_mode = if member.moderates() {
            Duration::ZERO
        } else {
            self.chat.slow_mode
        };
        member
            .allowance
            .spend(slow_mode, now.instant)
            .map_err(|wait| match wait {
                Wait::Rate(wait) => Refusal::TooFast(wait),
                Wait::Slow(wait) => Refusal::SlowMode(wait),
            })?;
        let message = ChatMessage {
            message_id: self.chat.next_id(),
            user_id: user.clone(),
            username: member.username.clone(),
            role: member.role,
            message,
            timestamp: rfc3339(now.wall),
        };
        self.chat.add(message.clone());
        let event = ServerEvent::ChatMessage {
            message_id: message.message_id,
            user_id: message.user_id,
            username: message.username,
            role: message.role,
            message: message.message,
        };
        self.tell_all(event, effects);
        Ok(())
    }

    pub(super) fn delete_message(
        &mut self,
        user: &UserId,
        role: Role,
        message_id: String,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        check(role, Right::DeleteMessage)?;
        if role != Role::Host && self.chat.is_of_host(Written::As(&message_id)) {
            return Err(Refusal::OnHost);
        }
        if !self.chat.delete(&message_id) {
            return Err(Refusal::NoMessage);
        }
        let by = self.name_of(user);
        self.tell_all(ServerEvent::MessageDeleted { message_id, by }, effects);
        Ok(())
    }

    pub(super) fn clear_messages(
        &mut self,
        user: &UserId,
        role: Role,
        target: UserId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        check(role, Right::ClearMessages)?;
        let is_host = target == self.settings.owner
            || self.role_of(&target) == Some(Role::Host)
            || self.chat.is_of_host(Written::By(&target));
        if role != Role::Host && is_host {
            return Err(Refusal::OnHost);
        }
        self.chat.clear(&target);
        let by = self.name_of(user);
        self.tell_all(ServerEvent::MessagesCleared { user_id: target, by }, effects);
        Ok(())
    }

    pub(super) fn slow_mode(
        &mut self,
        user: &UserId,
        role: Role,
        seconds: u32,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        check(role, Right::SlowMode)?;
        if seconds > MAX_SLOW_MODE_SECONDS {
            return Err(Refusal::BadSlowMode(seconds));
        }
        self.chat.slow_mode = Duration::from_secs(u64::from(seconds));
        let by = self.name_of(user);
        self.tell_all(ServerEvent::SlowMode { seconds, by }, effects);
        Ok(())
    }

    pub(super) fn react(
        &mut self,
        user: &UserId,
        role: Role,
        reaction: Reaction,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        check(role, Right::React)?;
        if self.reactions.add(reaction, now.instant) {
            let event = ServerEvent::Reaction {
                user_id: user.clone(),
                username: self.name_of(user),
                reaction,
            };
            self.tell_all(event, effects);
        }
        Ok(())
    }
}
