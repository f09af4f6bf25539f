//! Who sends sound and picture, and who asks to.

use footlight_protocol::{MediaKind, Right, Role, ServerEvent, SignalData, SignalType, Topology, UserId};

use super::command::Effect;
use super::influence::Influence;
use super::member::Member;
use super::refusal::{Refusal, check};
use super::room::{Now, Publication, Publishing, Room};

/// People who may ask to come on the stage at a time. A host reads a handful of names; this many bound what one is sent.
const MAX_REQUESTS: usize = 100;

impl Room {
    pub(super) fn publish(
        &mut self,
        new: Publishing,
        newcomer: Member,
        username: Option<String>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let user = newcomer.user.clone();
        let is_owner = user == self.settings.owner;
        let needs_place = !is_owner && !self.members.contains_key(&user);
        let is_let_in = !needs_place || self.admits(Some(&user), newcomer.role, newcomer.badges).is_ok();
        // Asked before anybody comes in: whoever is refused leaves nothing behind.
        if !is_let_in || self.may_publish(&user, newcomer.role).is_err() {
            effects.push(Effect::ClosePublication(new.publication));
            return;
        }
        if needs_place {
            self.join(newcomer, now, effects);
        }
        if let Some(name) = username {
            if is_owner {
                self.owner_name.clone_from(&name);
            }
            if let Some(member) = self.members.get_mut(&user) {
                member.username = name;
            }
        }
        if is_owner {
            // Somebody may have taken over meanwhile.
            self.set_role(&user, Role::Host, now, effects);
            self.make_only_host(&user, now, effects);
        }
        // The broadcast goes on across the change of connection: the others are not told that it stopped, because for them
        // it did not.
        let publication = new.publication;
        let replaced = self.publishing.insert(user, new);
        if let Some(replaced) = replaced.filter(|old| old.publication != publication) {
            effects.push(Effect::ClosePublication(replaced.publication));
        }
    }

    fn publisher_of(&self, publication: Publication) -> Option<UserId> {
        let found = self.publishing.iter().find(|(_, p)| p.publication == publication);
        found.map(|(user, _)| user.clone())
    }

    pub(super) fn media_started(
        &mut self,
        publication: Publication,
        kind: MediaKind,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(user) = self.publisher_of(publication) else {
            return;
        };
        // Who publishes without a WebSocket cannot say what is on: what arrives says it.
        if let Some(member) = self.members.get_mut(&user) {
            let enabled = match kind {
                MediaKind::Audio => &mut member.audio_enabled,
                MediaKind::Video => &mut member.video_enabled,
            };
            if member.resume_token.is_none() && !*enabled {
                *enabled = true;
                let event = member.media_changed();
                self.tell_all(event, effects);
            }
        }
        self.put_on_air(&user, now, effects);
    }

    pub(super) fn publish_stopped(&mut self, publication: Publication, now: Now, effects: &mut Vec<Effect>) {
        // An older connection that times out after its publisher came back stops nothing.
        let Some(user) = self.publisher_of(publication) else {
            return;
        };
        self.publishing.remove(&user);
        self.off_air(&user, effects);
        if self.members.get(&user).is_some_and(|member| member.publishes_alone) {
            self.remove(&user, now, effects);
        }
    }

    fn put_on_air(&mut self, user: &UserId, now: Now, effects: &mut Vec<Effect>) {
        if self.on_air.insert(user.clone()) {
            self.on_air_since.get_or_insert(now.wall);
            let event = ServerEvent::BroadcastStarted {
                user_id: user.clone(),
                username: self.name_of(user),
            };
            self.tell_all(event, effects);
        }
    }

    fn off_air(&mut self, user: &UserId, effects: &mut Vec<Effect>) {
        self.speaking(user.clone(), None, effects);
        if self.on_air.remove(user) {
            if self.on_air.is_empty() {
                self.on_air_since = None;
            }
            let event = ServerEvent::BroadcastStopped {
                user_id: user.clone(),
                username: self.name_of(user),
            };
            self.tell_all(event, effects);
        }
    }

    /// Ends what somebody sends, connection and all.
    pub(super) fn take_off_air(&mut self, user: &UserId, effects: &mut Vec<Effect>) {
        if let Some(publishing) = self.publishing.remove(user) {
            effects.push(Effect::ClosePublication(publishing.publication));
        }
        self.off_air(user, effects);
    }

    pub(super) fn start_broadcast(
        &mut self,
        user: &UserId,
        role: Role,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        check(role, Right::Broadcast)?;
        self.put_on_air(user, now, effects);
        Ok(())
    }

    pub(super) fn stop_broadcast(
        &mut self,
        user: &UserId,
        role: Role,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        check(role, Right::Broadcast)?;
        self.take_off_air(user, effects);
        Ok(())
    }

    pub(super) fn end_session(&mut self, role: Role, effects: &mut Vec<Effect>) -> Result<(), Refusal> {
        check(role, Right::EndSession)?;
        self.end(footlight_protocol::EndReason::EndedByHost, effects);
        Ok(())
    }

    pub(super) fn speaking(&mut self, user: UserId, level: Option<i8>, effects: &mut Vec<Effect>) {
        let is_heard = self.on_air.contains(&user) && !self.muted(&user).audio;
        let changed = match level.filter(|_| is_heard) {
            Some(level) => self.speaking.insert(user, level).is_none(),
            None => self.speaking.remove(&user).is_some(),
        };
        if changed {
            let event = self.active_speakers();
            self.tell_all(event, effects);
        }
    }

    pub(super) fn active_speakers(&self) -> ServerEvent {
        let mut speakers: Vec<_> = self.speaking.iter().collect();
        speakers.sort_by_key(|(_, level)| std::cmp::Reverse(**level));
        let user_ids = speakers.into_iter().map(|(user, _)| user.clone()).collect();
        ServerEvent::ActiveSpeakers { user_ids }
    }

    pub(super) fn update_media_status(
        &mut self,
        user: &UserId,
        role: Role,
        (audio_enabled, video_enabled): (bool, bool),
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        check(role, Right::Publish)?;
        let Some(member) = self.members.get_mut(user) else {
            return Ok(());
        };
        for (kind, enabled) in [(MediaKind::Audio, audio_enabled), (MediaKind::Video, video_enabled)] {
            if enabled && member.is_muted(kind) {
                return Err(Refusal::MutedByHost(kind));
            }
        }
        if (member.audio_enabled, member.video_enabled) != (audio_enabled, video_enabled) {
            member.audio_enabled = audio_enabled;
            member.video_enabled = video_enabled;
            let event = member.media_changed();
            self.tell_all(event, effects);
        }
        // In a mesh nobody at the server sees media: saying that one sends is being on air.
        if self.settings.topology == Topology::Mesh {
            if audio_enabled || video_enabled {
                self.put_on_air(user, now, effects);
            } else {
                self.off_air(user, effects);
            }
        }
        Ok(())
    }

    pub(super) fn stage_is_full(&self) -> bool {
        self.guests() >= self.settings.mode.guest_limit() as usize
    }

    /// People on the stage beside the host.
    fn guests(&self) -> usize {
        let is_guest = |member: &&Member| matches!(member.role, Role::Guest | Role::Cohost);
        self.members.values().filter(is_guest).count()
    }

    /// What somebody is who is host no more. Nobody is sent off a stage for being full; but only one at a time is on it who
    /// finds no room there, or hosts who come and go would fill it without end.
    pub(super) fn role_after_host(&self) -> Role {
        if self.guests() > self.settings.mode.guest_limit() as usize {
            Role::Viewer
        } else {
            Role::Cohost
        }
    }

    pub(super) fn request_guest(
        &mut self,
        user: &UserId,
        role: Role,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        check(role, Right::RequestGuest)?;
        if self.requests.contains(user) {
            return Ok(());
        }
        if self.requests.len() >= MAX_REQUESTS {
            return Err(Refusal::TooManyRequests);
        }
        self.requests.push(user.clone());
        let event = ServerEvent::GuestRequest {
            user_id: user.clone(),
            username: self.name_of(user),
        };
        self.tell_moderators(&event, None, effects);
        Ok(())
    }

    /// A request is no more, whatever became of it.
    pub(super) fn close_request(&mut self, user: &UserId, effects: &mut Vec<Effect>) {
        let Some(at) = self.requests.iter().position(|asking| asking == user) else {
            return;
        };
        self.requests.remove(at);
        let event = ServerEvent::GuestRequestClosed { user_id: user.clone() };
        self.tell_moderators(&event, None, effects);
    }

    pub(super) fn respond_guest(
        &mut self,
        by: &UserId,
        role: Role,
        target: &UserId,
        approved: bool,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        check(role, Right::RespondGuest)?;
        if !self.requests.contains(target) {
            return Err(Refusal::NoRequest);
        }
        let name = self.name_of(by);
        if !approved {
            self.close_request(target, effects);
            Self::tell(target, ServerEvent::GuestRejected { rejected_by: name }, effects);
            return Ok(());
        }
        if self.stage_is_full() {
            return Err(Refusal::StageFull(self.settings.mode.guest_limit()));
        }
        // Says more than that the role is another one, and is said in its place.
        Self::tell(target, ServerEvent::GuestApproved { approved_by: name }, effects);
        self.change_role(target, Role::Guest, effects);
        Ok(())
    }

    /// Gives somebody a role and says so. Whether it may be given was asked before.
    pub(super) fn set_role(&mut self, user: &UserId, role: Role, now: Now, effects: &mut Vec<Effect>) {
        let Some(before) = self.role(user).filter(|before| *before != role) else {
            return;
        };
        let publishes_alone = self.members.get(user).is_some_and(|member| member.publishes_alone);
        // A viewer that gets nothing and sends nothing would be one for ever.
        if role == Role::Viewer && publishes_alone {
            effects.push(Effect::Disconnect(user.clone()));
            self.remove(user, now, effects);
            return;
        }
        let event = if role > before {
            ServerEvent::Promoted { new_role: role }
        } else {
            ServerEvent::Demoted { new_role: role }
        };
        Self::tell(user, event, effects);
        self.change_role(user, role, effects);
    }

    /// All that follows from a role.
    fn change_role(&mut self, user: &UserId, role: Role, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(user) else {
            return;
        };
        let before = std::mem::replace(&mut member.role, role);
        member.ceiling = member.ceiling.map(|ceiling| ceiling.max(role));
        self.count_viewers(Some(before), Some(role));
        if before == Role::Viewer {
            self.close_request(user, effects);
        }
        if role == Role::Viewer {
            self.leave_stage(user, effects);
        }
        self.tell_role(user, effects);
        if before == Role::Viewer {
            let event = ServerEvent::GuestJoined {
                user_id: user.clone(),
                username: self.name_of(user),
            };
            self.tell_all(event, effects);
        }
        if role >= Role::Cohost && before < Role::Cohost {
            self.tell_pending_requests(user, effects);
        }
    }

    /// Whoever comes to moderate has not heard of the requests that wait.
    fn tell_pending_requests(&self, user: &UserId, effects: &mut Vec<Effect>) {
        for asking in &self.requests {
            let event = ServerEvent::GuestRequest {
                user_id: asking.clone(),
                username: self.name_of(asking),
            };
            Self::tell(user, event, effects);
        }
    }

    fn leave_stage(&mut self, user: &UserId, effects: &mut Vec<Effect>) {
        self.take_off_air(user, effects);
        if let Some(member) = self.members.get_mut(user) {
            member.audio_enabled = false;
            member.video_enabled = false;
            member.muted = crate::media::Muted::default();
            member.quality.publish = None;
        }
    }

    pub(super) fn tell_role(&self, user: &UserId, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get(user) else { return };
        let event = ServerEvent::RoleChanged {
            user_id: user.clone(),
            username: member.username.clone(),
            role: member.role,
            viewer_count: self.viewers,
        };
        self.tell_all(event, effects);
    }

    /// In a mesh, passes a description or a candidate on.
    pub(super) fn relay_signal(
        &mut self,
        from: &UserId,
        to: &UserId,
        (signal_type, signal_data): (SignalType, SignalData),
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if self.settings.topology != Topology::Mesh {
            return Err(Refusal::NoMesh);
        }
        let receiver_is_on_stage = self.members.get(to).map(Member::is_on_stage);
        let (Some(sender), Some(receiver_is_on_stage)) = (self.members.get_mut(from), receiver_is_on_stage) else {
            return Err(Refusal::Nobody);
        };
        if from == to {
            return Err(Refusal::OnOneself);
        }
        if !sender.is_on_stage() && !receiver_is_on_stage {
            return Err(Refusal::NobodyOnStage);
        }
        sender
            .signals
            .retain(|receiver, left| receiver == to || !left.is_whole(now.instant));
        let left = sender.signals.entry(to.clone());
        let left = left.or_insert_with(|| Influence::new(now.instant));
        if let Some(wait) = left.wait(now.instant) {
            return Err(Refusal::TooMuch(wait));
        }
        left.spend(1, now.instant);
        let event = ServerEvent::WebrtcSignal {
            session_id: self.settings.id.clone(),
            connection: None,
            from_user_id: Some(from.clone()),
            from_username: Some(sender.username.clone()),
            to_user_id: to.clone(),
            signal_type,
            signal_data,
        };
        Self::tell(to, event, effects);
        Ok(())
    }
}
