//! The way in: which command is handled where.

use footlight_protocol::{ANONYMOUS, ClientMessage, EndReason, ServerEvent, UserId};

use super::command::{Command, Effect};
use super::influence::{has_to_wait, most_at_one, weight};
use super::member::Member;
use super::refusal::Refusal;
use super::room::{Now, Publishing, Room};

impl Room {
    /// Applies a command. The effects are to be carried out in their order.
    #[must_use = "effects that are not carried out are lost"]
    pub fn handle(&mut self, command: Command, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.over {
            return effects;
        }
        if !matches!(command, Command::Tick) {
            self.active_at = now.instant;
        }
        self.apply(command, now, &mut effects);
        if !self.over {
            self.watch_host(now, &mut effects);
        }
        effects
    }

    fn apply(&mut self, command: Command, now: Now, effects: &mut Vec<Effect>) {
        match command {
            Command::Join {
                user,
                username,
                role,
                badges,
                resume_token,
            } => {
                let rank = self.next_rank();
                let member = Member {
                    badges,
                    resume_token,
                    ..Member::new(user, username, role, rank, now.instant)
                };
                self.join(member, now, effects);
            }
            Command::Resume { user, resume_token } => self.resume(&user, resume_token, now, effects),
            Command::Lose { user } => self.lose(&user, now, effects),
            Command::Leave { user } => self.leave(&user, now, effects),
            Command::Act { user, message } => self.act(&user, message, now, effects),
            Command::Publish {
                publication,
                user,
                username,
                role,
                badges,
                with_place,
            } => {
                let new = Publishing {
                    publication,
                    with_place,
                };
                // Somebody without a WebSocket is a participant like any other for as long as the publication lasts.
                let rank = self.next_rank();
                let name = username.clone().unwrap_or_else(|| ANONYMOUS.to_owned());
                let newcomer = Member {
                    badges,
                    publishes_alone: true,
                    ..Member::new(user, name, role, rank, now.instant)
                };
                self.publish(new, newcomer, username, now, effects);
            }
            Command::MediaStarted { publication, kind } => self.media_started(publication, kind, now, effects),
            Command::PublishStopped { publication } => self.publish_stopped(publication, now, effects),
            Command::Speaking { user, level } => self.speaking(user, level, effects),
            Command::Quality {
                user,
                connection,
                level,
            } => self.quality(user, connection, level),
            Command::Background { path } => {
                self.background.clone_from(&path);
                self.tell_all(ServerEvent::BackgroundChanged { background: path }, effects);
            }
            Command::Rename { title } => self.settings.title = title,
            Command::End { reason } => self.end(reason, effects),
            Command::Tick => self.tick(now, effects),
        }
    }

    fn act(&mut self, user: &UserId, message: ClientMessage, now: Now, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get(user) else { return };
        let action = message.action();
        let role = member.role;
        let wait = member.allowance.influence.wait(now.instant);
        if let Some(wait) = wait.filter(|_| has_to_wait(&message, member)) {
            Self::tell(user, Refusal::TooMuch(wait).event(action), effects);
            return;
        }
        let weight = weight(&message);
        let done = match message {
            ClientMessage::Ping
            | ClientMessage::KeepAlive
            | ClientMessage::Slot { .. }
            | ClientMessage::WebrtcSignal { to_user_id: None, .. } => Ok(()),
            ClientMessage::Chat { message } => self.say(user, &message, now, effects),
            ClientMessage::DeleteMessage { message_id } => self.delete_message(user, role, message_id, effects),
            ClientMessage::ClearMessages { target_user_id } => self.clear_messages(user, role, target_user_id, effects),
            ClientMessage::SlowMode { seconds } => self.slow_mode(user, role, seconds, effects),
            ClientMessage::Reaction { reaction } => self.react(user, role, reaction, now, effects),
            ClientMessage::RequestGuest => self.request_guest(user, role, effects),
            ClientMessage::WithdrawRequest => {
                self.close_request(user, effects);
                Ok(())
            }
            ClientMessage::RespondGuest {
                target_user_id,
                approved,
            } => self.respond_guest(user, role, &target_user_id, approved, effects),
            ClientMessage::ParticipantAction {
                target_user_id,
                action_type,
            } => self.moderate(user, role, &target_user_id, action_type, now, effects),
            ClientMessage::UpdateMediaStatus {
                audio_enabled,
                video_enabled,
            } => self.update_media_status(user, role, (audio_enabled, video_enabled), now, effects),
            ClientMessage::StartBroadcast => self.start_broadcast(user, role, now, effects),
            ClientMessage::StopBroadcast => self.stop_broadcast(user, role, effects),
            ClientMessage::EndSession => self.end_session(role, effects),
            ClientMessage::WebrtcSignal {
                to_user_id: Some(to),
                signal_type,
                signal_data,
                ..
            } => self.relay_signal(user, &to, (signal_type, signal_data), now, effects),
        };
        let caused = most_at_one(effects, user) * weight;
        if let Some(member) = self.members.get_mut(user).filter(|_| caused > 0) {
            member.allowance.influence.spend(caused, now.instant);
        }
        if let Err(refusal) = done {
            Self::tell(user, refusal.event(action), effects);
        }
    }

    pub(super) fn end(&mut self, reason: EndReason, effects: &mut Vec<Effect>) {
        self.over = true;
        self.tell_all(ServerEvent::SessionEnded { reason }, effects);
        let publishing = std::mem::take(&mut self.publishing);
        effects.extend(publishing.values().map(|p| Effect::ClosePublication(p.publication)));
        effects.push(Effect::Over);
    }

    fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let is_empty = self.members.is_empty() && self.publishing.is_empty();
        if is_empty && now.instant.saturating_duration_since(self.active_at) >= self.settings.idle_limit {
            self.end(EndReason::Idle, effects);
            return;
        }
        self.give_up_lost(now, effects);
        let events = [
            self.presence.poll(now.instant),
            self.reactions.poll(now.instant),
            self.changed_quality(now.instant),
        ];
        for event in events.into_iter().flatten() {
            self.tell_all(event, effects);
        }
    }
}
