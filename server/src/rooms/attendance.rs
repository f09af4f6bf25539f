//! Coming, going, being lost and coming back; and what becomes of a session whose host is away.

use std::time::{Duration, Instant};

use footlight_protocol::{Connection, EndReason, Role, ServerEvent, UserId};

use super::command::Effect;
use super::member::Member;
use super::room::{Departed, Now, Room};

/// Those who left and may be back in a moment. A page that is loaded again takes a second; beyond this many at once the
/// oldest are strangers again when they come back.
const MAX_DEPARTED: usize = 1000;

/// How often changes of connection quality are told: people look at the bars when something is wrong, and that is not over
/// within seconds.
const QUALITY_INTERVAL: Duration = Duration::from_secs(2);

/// Up to this many participants, viewers' connection quality is told as well as that of the stage.
const QUALITY_OF_VIEWERS_UP_TO: usize = 100;

impl Room {
    pub(super) fn join(&mut self, mut member: Member, now: Now, effects: &mut Vec<Effect>) {
        if self.admits(Some(&member.user), member.role, member.badges).is_err() {
            return;
        }
        let user = member.user.clone();
        self.departed.remove(&user);
        member.role = self.role_for(&user, member.role);
        let before = self.members.remove(&user);
        if let Some(before) = &before {
            member.rank = before.rank;
            member.muted = before.muted;
            member.ceiling = before.ceiling;
            member.allowance = before.allowance.clone();
            member.signals.clone_from(&before.signals);
            member.quality = before.quality;
        } else {
            self.recall(&mut member, now);
        }
        let role = member.role;
        let username = member.username.clone();
        if user == self.settings.owner {
            self.owner_name.clone_from(&username);
        }
        self.members.insert(user.clone(), member);
        self.count_viewers(before.as_ref().map(|m| m.role), Some(role));
        if role == Role::Host {
            self.make_only_host(&user, now, effects);
        }
        self.tell_state(&user, effects);
        match before {
            None => self.tell_joined(&user, now, effects),
            Some(before) if before.role != role => self.tell_role(&user, effects),
            Some(_) => {}
        }
    }

    /// Goes on with somebody where it ended when this one went, and was not brought back by a resume token.
    fn recall(&mut self, member: &mut Member, now: Now) {
        let moderation = self.memory.take(&member.user);
        member.muted = moderation.muted;
        member.ceiling = moderation.ceiling;
        let kept = member
            .badges
            .returning()
            .and_then(|badge| self.chat.take_up(badge, now.instant));
        if let Some(kept) = kept.filter(|_| member.allowance.is_whole(Duration::ZERO, now.instant)) {
            member.allowance = kept;
        }
    }

    /// Keeps what somebody who goes would be rid of by coming in anew.
    fn keep_in_mind(&mut self, member: &Member, now: Now) {
        // Whoever is host again is moderated by nobody.
        if member.user != self.settings.owner {
            self.memory.keep(member);
        }
        // Of one who was lost before, it is kept since then.
        if member.is_here()
            && let Some(badge) = member.badges.returning()
        {
            self.chat.keep(badge, member.allowance.clone(), now.instant);
        }
    }

    fn tell_joined(&mut self, user: &UserId, now: Now, effects: &mut Vec<Effect>) {
        let Some(member) = self.members.get(user) else { return };
        let joined = ServerEvent::UserJoined {
            user_id: user.clone(),
            username: member.username.clone(),
            role: member.role,
            viewer_count: self.viewers,
        };
        // Those on the stage are known to everybody, whatever the size of the room.
        let is_on_stage = member.is_on_stage();
        let size = if is_on_stage { 0 } else { self.members.len() };
        if let Some(event) = self.presence.offer(joined, size, now.instant) {
            effects.push(Effect::TellAll {
                except: Some(user.clone()),
                event,
            });
        }
    }

    /// What a newcomer may be: there is one host, and the stage has its limit.
    pub(super) fn role_for(&self, user: &UserId, wanted: Role) -> Role {
        let is_owner = *user == self.settings.owner;
        let held = self.members.get(user).map(|member| member.role);
        // Roles that were given in the room count for more than those that were brought along.
        let wanted = held.filter(|_| !is_owner).unwrap_or(wanted);
        let ceiling = self.memory.of(user).ceiling.unwrap_or(Role::Host);
        let wanted = wanted.min(ceiling);
        let has_other_host = self
            .members
            .values()
            .any(|other| other.role == Role::Host && other.user != *user && self.is_present(other));
        let wanted = match wanted {
            Role::Host if has_other_host && !is_owner => Role::Cohost,
            other => other,
        };
        let needs_place = matches!(wanted, Role::Guest | Role::Cohost) && held.is_none_or(|role| role == Role::Viewer);
        if needs_place && self.stage_is_full() {
            return Role::Viewer;
        }
        wanted
    }

    /// Makes everybody else who is host a cohost, as far as there is room.
    pub(super) fn make_only_host(&mut self, host: &UserId, now: Now, effects: &mut Vec<Effect>) {
        let others: Vec<_> = self
            .members
            .values()
            .filter(|member| member.role == Role::Host && member.user != *host)
            .map(|member| member.user.clone())
            .collect();
        for user in others {
            let role = self.role_after_host();
            self.set_role(&user, role, now, effects);
        }
    }

    pub(super) fn resume(&mut self, user: &UserId, resume_token: String, now: Now, effects: &mut Vec<Effect>) {
        if let Some(departed) = self.departed.remove(user) {
            let member = Member {
                resume_token: Some(resume_token),
                away_since: None,
                ..departed.member
            };
            self.join(member, now, effects);
            return;
        }
        let Some(member) = self.members.get_mut(user) else {
            return;
        };
        let was_lost = member.away_since.take().is_some();
        member.resume_token = Some(resume_token);
        // It has its own still, and nobody who comes in shall go on with it.
        if let Some(badge) = member.badges.returning().filter(|_| was_lost) {
            self.chat.take_up(badge, now.instant);
        }
        let Some(member) = self.members.get(user) else {
            return;
        };
        // Somebody took over meanwhile; the session is the owner's nevertheless.
        if *user == self.settings.owner && member.role != Role::Host {
            self.set_role(user, Role::Host, now, effects);
            self.make_only_host(user, now, effects);
        }
        self.tell_state(user, effects);
    }

    /// Tells somebody all that there is to know.
    fn tell_state(&self, user: &UserId, effects: &mut Vec<Effect>) {
        let speakers = (!self.speaking.is_empty()).then(|| self.active_speakers());
        for event in self.welcome(user).into_iter().chain(speakers) {
            Self::tell(user, event, effects);
        }
    }

    pub(super) fn lose(&mut self, user: &UserId, now: Now, effects: &mut Vec<Effect>) {
        match self.members.get_mut(user) {
            Some(member) if member.resume_token.is_some() => {
                if member.away_since.is_some() {
                    return;
                }
                member.away_since = Some(now.instant);
                if let Some(badge) = member.badges.returning() {
                    self.chat.keep(badge, member.allowance.clone(), now.instant);
                }
            }
            Some(_) => self.leave(user, now, effects),
            None => {}
        }
    }

    pub(super) fn leave(&mut self, user: &UserId, now: Now, effects: &mut Vec<Effect>) {
        let Some(member) = self.remove(user, now, effects) else {
            return;
        };
        if member.resume_token.is_some() {
            if self.departed.len() >= MAX_DEPARTED {
                let oldest = self.departed.iter().min_by_key(|(_, departed)| departed.at);
                if let Some(oldest) = oldest.map(|(user, _)| user.clone()) {
                    self.departed.remove(&oldest);
                }
            }
            let at = now.instant;
            self.departed.insert(user.clone(), Departed { member, at });
        }
    }

    /// Takes somebody out of the room, with all that goes with the place.
    pub(super) fn remove(&mut self, user: &UserId, now: Now, effects: &mut Vec<Effect>) -> Option<Member> {
        self.close_request(user, effects);
        // The owner alone may publish without being a participant.
        let goes_on = *user == self.settings.owner && self.publishing.get(user).is_some_and(|p| !p.with_place);
        if !goes_on {
            self.take_off_air(user, effects);
        }
        let member = self.members.remove(user)?;
        self.keep_in_mind(&member, now);
        self.count_viewers(Some(member.role), None);
        self.new_quality.remove(user);
        self.speaking(user.clone(), None, effects);
        let left = ServerEvent::UserLeft {
            user_id: user.clone(),
            username: member.username.clone(),
            viewer_count: self.viewers,
        };
        // The one who left counts as well, so that a room at the limit is big for joining and leaving alike.
        let size = if member.is_on_stage() {
            0
        } else {
            self.members.len() + 1
        };
        if let Some(event) = self.presence.offer(left, size, now.instant) {
            self.tell_all(event, effects);
        }
        Some(member)
    }

    /// Takes the places of those who did not come back, and decides on a host who did not.
    pub(super) fn give_up_lost(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let limit = self.settings.resume_within;
        let is_late = |since: Instant| now.instant.saturating_duration_since(since) > limit;
        let lost: Vec<_> = self
            .members
            .values()
            .filter(|member| member.away_since.is_some_and(is_late))
            .map(|member| member.user.clone())
            .collect();
        for user in lost {
            // Its media has a way of its own, and would go on unseen.
            effects.push(Effect::Disconnect(user.clone()));
            self.remove(&user, now, effects);
        }
        self.departed.retain(|_, departed| !is_late(departed.at));
        let is_over = |since: Instant| now.instant.saturating_duration_since(since) >= self.settings.host_grace;
        if self.host_away_since.is_some_and(is_over) {
            self.replace_host(now, effects);
        }
    }

    fn replace_host(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.host_away_since = None;
        let heir = self
            .members
            .values()
            .filter(|member| member.role == Role::Cohost && member.is_here())
            .min_by_key(|member| member.rank)
            .map(|member| member.user.clone());
        match heir {
            Some(heir) => {
                self.set_role(&heir, Role::Host, now, effects);
                self.make_only_host(&heir, now, effects);
            }
            None => self.end(EndReason::HostLeft, effects),
        }
    }

    fn host_is_here(&self) -> bool {
        let unseated = self.publishing.keys().any(|user| !self.members.contains_key(user));
        let mut hosts = self.members.values().filter(|member| member.role == Role::Host);
        unseated || hosts.any(|host| self.is_present(host))
    }

    /// Whether somebody is there by a WebSocket, or by what is sent without one.
    fn is_present(&self, member: &Member) -> bool {
        member.is_here() || self.publishing.contains_key(&member.user)
    }

    /// Notices that the host went or came back. It matters to those who are there: an empty room waits for its idle limit.
    pub(super) fn watch_host(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.host_is_here() {
            self.had_host = true;
            if self.host_away_since.take().is_some() {
                self.tell_all(ServerEvent::HostBack, effects);
            }
            return;
        }
        if !self.members.values().any(Member::is_here) {
            self.host_away_since = None;
            self.had_host &= !self.members.is_empty();
            return;
        }
        if self.had_host && self.host_away_since.is_none() {
            self.host_away_since = Some(now.instant);
            let grace_seconds = u32::try_from(self.settings.host_grace.as_secs()).unwrap_or(u32::MAX);
            self.tell_all(ServerEvent::HostAway { grace_seconds }, effects);
        }
    }

    pub(super) fn count_viewers(&mut self, before: Option<Role>, after: Option<Role>) {
        if before == Some(Role::Viewer) {
            self.viewers -= 1;
        }
        if after == Some(Role::Viewer) {
            self.viewers += 1;
        }
    }

    pub(super) fn quality(&mut self, user: UserId, connection: Connection, level: Option<u8>) {
        let Some(member) = self.members.get_mut(&user) else {
            return;
        };
        let before = member.quality.overall();
        match connection {
            Connection::Publish => member.quality.publish = level,
            Connection::Subscribe => member.quality.subscribe = level,
        }
        if member.quality.overall() != before {
            self.new_quality.insert(user);
        }
    }

    pub(super) fn changed_quality(&mut self, now: Instant) -> Option<ServerEvent> {
        let is_due = |told_at: Instant| now.saturating_duration_since(told_at) >= QUALITY_INTERVAL;
        if self.new_quality.is_empty() || !self.quality_told_at.is_none_or(is_due) {
            return None;
        }
        self.quality_told_at = Some(now);
        let with_viewers = self.members.len() <= QUALITY_OF_VIEWERS_UP_TO;
        let levels = std::mem::take(&mut self.new_quality)
            .into_iter()
            .filter_map(|user| {
                let member = self.members.get(&user)?;
                let level = member.quality.overall()?;
                (with_viewers || member.is_on_stage()).then_some((user, level))
            })
            .collect::<std::collections::BTreeMap<_, _>>();
        (!levels.is_empty()).then_some(ServerEvent::ConnectionQuality { levels })
    }
}
