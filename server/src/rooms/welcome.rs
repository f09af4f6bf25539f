//! What somebody who comes in is told of the session.

use footlight_protocol::{GuestRequest, Participant, Role, ServerEvent, UserId, Welcome};

use super::member::Member;
use super::room::{Room, rfc3339};

/// Most participants that `current_participants` names. A page shows a handful of them, and ten thousand would not fit
/// into one frame; `viewer_count` stays exact. All who are on the stage are fewer than this.
pub(super) const LISTED_PARTICIPANTS: usize = 100;

impl Room {
    pub(super) fn welcome(&self, user: &UserId) -> Option<ServerEvent> {
        let member = self.members.get(user)?;
        let you = self.participant(member);
        let mut participants = Vec::with_capacity(self.members.len().min(LISTED_PARTICIPANTS) + 1);
        // The owner who publishes by WHIP alone has no WebSocket, and is there nevertheless.
        let unseated = self.publishing.keys().filter(|user| !self.members.contains_key(*user));
        participants.extend(unseated.map(|user| self.owner_without_place(user)));
        participants.push(you.clone());
        let others = self.members.values().filter(|other| other.user != *user);
        let (stage, viewers): (Vec<_>, Vec<_>) = others.partition(|other| other.is_on_stage());
        let others = stage.into_iter().chain(viewers);
        let room = LISTED_PARTICIPANTS.saturating_sub(participants.len());
        participants.extend(others.take(room).map(|other| self.participant(other)));
        let guest_requests = if member.moderates() {
            self.pending_requests()
        } else {
            Vec::new()
        };
        Some(ServerEvent::CurrentParticipants(Box::new(Welcome {
            you,
            participants,
            viewer_count: self.viewers,
            mode: self.settings.mode,
            topology: self.settings.topology,
            title: self.settings.title.clone(),
            started_at: self.on_air_since.map(rfc3339),
            resume_token: member.resume_token.clone().unwrap_or_default(),
            chat_history: self.chat.history(),
            guest_requests,
            slow_mode_seconds: u32::try_from(self.chat.slow_mode.as_secs()).unwrap_or(u32::MAX),
            guest_limit: self.settings.mode.guest_limit(),
            background: self.background.clone(),
            // The session's to fill in: the way to the media is none of the room's business.
            ice_servers: Vec::new(),
        })))
    }

    fn participant(&self, member: &Member) -> Participant {
        member.participant(self.on_air.contains(&member.user))
    }

    fn owner_without_place(&self, user: &UserId) -> Participant {
        let on_air = self.on_air.contains(user);
        Participant {
            user_id: user.clone(),
            username: self.owner_name.clone(),
            role: Role::Host,
            audio_enabled: on_air,
            video_enabled: on_air,
            audio_muted: false,
            video_muted: false,
            on_air,
            connection_quality: None,
        }
    }

    fn pending_requests(&self) -> Vec<GuestRequest> {
        let requests = self.requests.iter().filter_map(|user| self.members.get(user));
        requests
            .map(|member| GuestRequest {
                user_id: member.user.clone(),
                username: member.username.clone(),
            })
            .collect()
    }
}
