//! What may be asked of a room, and changes nothing.

use std::time::{Instant, SystemTime};

use footlight_protocol::{Broadcaster, Right, Role, SessionMode, SessionSummary, Topology, UserId, Visibility};

use super::member::{Badges, Member};
use super::refusal::{JoinRefusal, PublishRefusal};
use super::room::{Departed, Now, Publication, Room, rfc3339};
use crate::media::Muted;

impl Room {
    /// Whether a publisher without a token may publish now. The owner always may, for a new connection of the owner's
    /// replaces the older one.
    pub fn may_publish_anonymously(&self) -> Result<(), PublishRefusal> {
        if self.over {
            return Err(PublishRefusal::Ended);
        }
        if self.settings.topology == Topology::Mesh {
            return Err(PublishRefusal::Mesh);
        }
        if self.publishing.contains_key(&self.settings.owner) {
            return Err(PublishRefusal::OnAir);
        }
        Ok(())
    }

    /// Whether somebody whose role outside of this room is `role` (a participant's own counts for more) may publish now.
    pub fn may_publish(&self, user: &UserId, role: Role) -> Result<(), PublishRefusal> {
        if self.over {
            return Err(PublishRefusal::Ended);
        }
        if self.settings.topology == Topology::Mesh {
            return Err(PublishRefusal::Mesh);
        }
        if self.barred_users.contains(user) {
            return Err(PublishRefusal::Barred);
        }
        let place = self.members.get(user);
        let granted = place.map_or_else(|| self.role_for(user, role), |member| member.role);
        if granted.may(Right::Publish) {
            return Ok(());
        }
        if place.is_none() && role.may(Right::Publish) && self.stage_is_full() {
            return Err(PublishRefusal::StageFull);
        }
        Err(PublishRefusal::NotOnStage)
    }

    /// Whether somebody may come in.
    pub fn admits(&self, user: Option<&UserId>, role: Role, badges: Badges) -> Result<(), JoinRefusal> {
        if self.over {
            return Err(JoinRefusal::Ended);
        }
        if self.bars(user, role, badges) {
            return Err(JoinRefusal::Barred);
        }
        let has_place = user.is_some_and(|user| self.members.contains_key(user));
        if role != Role::Host && !has_place && self.is_full() {
            return Err(JoinRefusal::Full);
        }
        Ok(())
    }

    /// Whether somebody may watch by a connection of its own (WHEP), under another name in the room each time: `user` is
    /// the name outside of it. A preview takes no participant's place.
    pub fn may_watch(&self, user: &UserId, role: Role, badges: Badges, is_preview: bool) -> Result<(), JoinRefusal> {
        if self.over {
            return Err(JoinRefusal::Ended);
        }
        if self.bars(Some(user), role, badges) {
            return Err(JoinRefusal::Barred);
        }
        if !is_preview && self.is_full() {
            return Err(JoinRefusal::Full);
        }
        Ok(())
    }

    /// Whether this is somebody who was sent away.
    fn bars(&self, user: Option<&UserId>, role: Role, badges: Badges) -> bool {
        let is_known = user.is_some_and(|user| self.barred_users.contains(user));
        let mut worn = [badges.visitor, badges.address, badges.bearer].into_iter().flatten();
        is_known || (role != Role::Host && worn.any(|badge| self.barred_badges.contains(&badge)))
    }

    /// Whose place this is, where `is_token` says yes to its token and its time is not over. A place that was given up has
    /// to be had once more: somebody else may have it by now.
    pub fn may_resume(&self, user: &UserId, is_token: impl Fn(&str) -> bool, now: Now) -> bool {
        let in_time = |since: Instant| now.instant.saturating_duration_since(since) <= self.settings.resume_within;
        let owns = |member: &Member| member.resume_token.as_deref().is_some_and(&is_token);
        match (self.members.get(user), self.departed.get(user)) {
            _ if self.over => false,
            // A connection whose loss the server has not noticed yet may be replaced as well.
            (Some(member), _) => owns(member) && member.away_since.is_none_or(in_time),
            (None, Some(Departed { member, at })) => {
                owns(member) && in_time(*at) && self.admits(Some(user), member.role, member.badges).is_ok()
            }
            (None, None) => false,
        }
    }

    /// Whether this user has a place, lost connection or not.
    pub fn has_place(&self, user: &UserId) -> bool {
        self.members.contains_key(user)
    }

    /// What a participant may do now; `None` for somebody who is none.
    pub fn role(&self, user: &UserId) -> Option<Role> {
        self.members.get(user).map(|member| member.role)
    }

    /// What a host or cohost has turned off of this user's, who may be out for a moment.
    pub fn muted(&self, user: &UserId) -> Muted {
        let place = self.members.get(user);
        place.map_or_else(|| self.memory.of(user).muted, |member| member.muted)
    }

    /// Whether the limit of participants is reached.
    pub fn is_full(&self) -> bool {
        self.members.len() >= self.settings.max_participants
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// People watching.
    pub fn viewer_count(&self) -> u32 {
        self.viewers
    }

    /// Everybody who has a place.
    pub fn participant_count(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    /// When it went on air; `None` while nobody is.
    pub fn on_air_since(&self) -> Option<SystemTime> {
        self.on_air_since
    }

    /// The connection that a user publishes on now.
    pub fn publication(&self, user: &UserId) -> Option<Publication> {
        self.publishing.get(user).map(|p| p.publication)
    }

    /// Voice, camera or studio.
    pub fn mode(&self) -> SessionMode {
        self.settings.mode
    }

    /// How media travels.
    pub fn topology(&self) -> Topology {
        self.settings.topology
    }

    /// Whether it is listed.
    pub fn visibility(&self) -> Visibility {
        self.settings.visibility
    }

    /// What `GET /api/sessions` says of it: nothing unless it is public and on air.
    pub fn summary(&self) -> Option<SessionSummary> {
        let started_at = self
            .on_air_since
            .filter(|_| self.settings.visibility == Visibility::Public && !self.over)?;
        // The host is named first.
        let mut on_air: Vec<_> = self.on_air.iter().collect();
        on_air.sort_by_key(|user| std::cmp::Reverse(self.role_of(user)));
        Some(SessionSummary {
            session_id: self.settings.id.clone(),
            title: self.settings.title.clone(),
            mode: self.settings.mode,
            topology: self.settings.topology,
            viewer_count: self.viewers,
            started_at: rfc3339(started_at),
            broadcasters: on_air
                .into_iter()
                .map(|user| Broadcaster {
                    user_id: user.clone(),
                    username: self.name_of(user),
                })
                .collect(),
        })
    }
}
