//! One session's state, and the way in: which command is handled where.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use footlight_protocol::{
    ANONYMOUS, Broadcaster, ClientMessage, Connection, EndReason, GuestRequest, IceServer, MediaKind, Participant,
    Role, ServerEvent, SessionId, SessionMode, SessionSummary, Topology, UserId, Visibility, Welcome,
};

use super::chat::Chat;
use super::member::{Badge, Badges, Member};
use super::presence::Presence;
use super::reactions::Reactions;
use crate::media::Muted;

/// Most participants that `current_participants` names. A page shows a handful of them, and ten thousand would not fit
/// into one frame; `viewer_count` stays exact. All who are on the stage are fewer than this.
const LISTED_PARTICIPANTS: usize = 100;

/// The time, both ways: `instant` for durations, `wall` for what people read.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Monotonic.
    pub instant: Instant,
    /// UTC.
    pub wall: SystemTime,
}

impl Now {
    /// Reads both clocks.
    pub fn read() -> Self {
        Self {
            instant: Instant::now(),
            wall: SystemTime::now(),
        }
    }
}

/// One publish connection, named by whoever owns the room. A publisher that comes back has a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Publication(pub u64);

/// What a room is made with.
#[derive(Debug, Clone)]
pub struct RoomSettings {
    /// The session's name in every URL.
    pub id: SessionId,
    /// Shown above the picture.
    pub title: String,
    /// Voice, camera or studio.
    pub mode: SessionMode,
    /// How media travels.
    pub topology: Topology,
    /// Whether it is listed.
    pub visibility: Visibility,
    /// The owner's place, by default under the name [`ANONYMOUS`].
    pub owner: UserId,
    /// How long it stays without anybody in it.
    pub idle_limit: Duration,
    /// How long its host may be away before a cohost takes over, or it ends.
    pub host_grace: Duration,
    /// How long a lost connection keeps its place.
    pub resume_within: Duration,
    /// Most participants at a time.
    pub max_participants: usize,
    /// What those who come in are told of.
    pub ice_servers: Arc<[IceServer]>,
}

/// What may happen to a room.
#[derive(Debug, Clone)]
pub enum Command {
    /// Somebody came; the same user again means a connection that replaces the older one.
    Join {
        /// Unique within the session.
        user: UserId,
        /// As shown.
        username: String,
        /// What this person may do. The room may give less: there is one host, and the stage has its limit.
        role: Role,
        /// By what this person is recognised.
        badges: Badges,
        /// Brings this person back after a loss; `None` for whoever has no WebSocket.
        resume_token: Option<String>,
    },
    /// Somebody came back after a loss, see [`Room::may_resume`].
    Resume {
        /// Who.
        user: UserId,
        /// For the next time.
        resume_token: String,
    },
    /// Somebody's connection was lost.
    Lose {
        /// Whose.
        user: UserId,
    },
    /// Somebody left.
    Leave {
        /// Who.
        user: UserId,
    },
    /// Somebody said or did something.
    Act {
        /// Who.
        user: UserId,
        /// What. Signaling with the server's SFU is none of the room's business and does nothing here.
        message: ClientMessage,
    },
    /// A publish connection was accepted. It replaces the one before of the same user.
    Publish {
        /// The new connection.
        publication: Publication,
        /// Whose.
        user: UserId,
        /// The name from now on, where the publisher gave one.
        username: Option<String>,
        /// What a publisher may do who is no participant yet.
        role: Role,
        /// Whether it ends with the participant's place, rather than living by itself (WHIP).
        with_place: bool,
    },
    /// The first media of a kind arrived.
    MediaStarted {
        /// On which connection.
        publication: Publication,
        /// Sound or picture.
        kind: MediaKind,
    },
    /// A publish connection is gone.
    PublishStopped {
        /// Which.
        publication: Publication,
    },
    /// Somebody is being heard, or (`None`) no more.
    Speaking {
        /// Who.
        user: UserId,
        /// In dBov, 0 the loudest (RFC 6464 §3).
        level: Option<i8>,
    },
    /// Somebody's connection works better or worse than before.
    Quality {
        /// Whose.
        user: UserId,
        /// Which one.
        connection: Connection,
        /// 0 to 4; `None` where that connection is gone.
        level: Option<u8>,
    },
    /// The background picture is another one.
    Background {
        /// Its path at this server.
        path: Option<String>,
    },
    /// The session has another title from now on.
    Rename {
        /// Shown above the picture.
        title: String,
    },
    /// It is over.
    End {
        /// Why.
        reason: EndReason,
    },
    /// Time passed.
    Tick,
}

/// What the owner of a room has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell one participant.
    Tell {
        /// Whom.
        user: UserId,
        /// What.
        event: ServerEvent,
    },
    /// Tell everybody.
    TellAll {
        /// But this one.
        except: Option<UserId>,
        /// What.
        event: ServerEvent,
    },
    /// Let nothing of this kind through from this user, or let it through again.
    Mute {
        /// Whose.
        user: UserId,
        /// Sound or picture.
        kind: MediaKind,
        /// Whether nothing passes.
        muted: bool,
    },
    /// Close a publish connection.
    ClosePublication(Publication),
    /// Close whatever this user has, who was sent away.
    Disconnect(UserId),
    /// Close what is left of the session and forget it. The last effect of a room.
    Over,
}

/// Why somebody may not publish now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefusal {
    /// A session without an owner takes one publisher at a time.
    #[error("somebody else is on air in this session")]
    OnAir,
    /// The session has ended.
    #[error("this session has ended")]
    Ended,
    /// A viewer.
    #[error("viewers watch: ask to come on the stage first")]
    NotOnStage,
    /// Sent away.
    #[error("you were removed from this session")]
    Barred,
    /// The limit of people on the stage is reached.
    #[error("the stage is full")]
    StageFull,
    /// In a mesh, media takes no way through the server.
    #[error("in this session media goes from browser to browser, not through the server")]
    Mesh,
}

/// Why somebody may not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefusal {
    /// Sent away.
    #[error("you were removed from this session and cannot come back to it")]
    Barred,
    /// The limit of participants is reached.
    #[error("this session is full")]
    Full,
    /// The session has ended.
    #[error("this session has ended")]
    Ended,
}

#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) publication: Publication,
    pub(super) with_place: bool,
}

/// Somebody who left by closing the connection, and may be back in a moment: a page that is loaded again does that.
#[derive(Debug)]
pub(super) struct Departed {
    pub(super) member: Member,
    pub(super) at: Instant,
}

/// One session. See the module's documentation for the one rule.
#[derive(Debug)]
pub struct Room {
    pub(super) settings: RoomSettings,
    /// Shown while the owner publishes without being a participant, and kept when the owner goes.
    pub(super) owner_name: String,
    /// Ordered, so that the same commands always give the same effects.
    pub(super) members: BTreeMap<UserId, Member>,
    pub(super) departed: BTreeMap<UserId, Departed>,
    pub(super) viewers: u32,
    pub(super) publishing: BTreeMap<UserId, Publishing>,
    /// Who is on air.
    pub(super) on_air: BTreeSet<UserId>,
    pub(super) on_air_since: Option<SystemTime>,
    /// Whether there was a host since somebody came into the empty room.
    pub(super) had_host: bool,
    pub(super) host_away_since: Option<Instant>,
    /// Who asks to come on the stage, in the order of asking.
    pub(super) requests: Vec<UserId>,
    pub(super) barred_users: BTreeSet<UserId>,
    pub(super) barred_badges: BTreeSet<Badge>,
    pub(super) chat: Chat,
    pub(super) reactions: Reactions,
    pub(super) speaking: BTreeMap<UserId, i8>,
    /// Whose connection quality changed since it was last told.
    pub(super) new_quality: BTreeSet<UserId>,
    pub(super) quality_told_at: Option<Instant>,
    pub(super) background: Option<String>,
    pub(super) presence: Presence,
    active_at: Instant,
    next_rank: u64,
    over: bool,
}

impl Room {
    /// An empty room.
    pub fn new(settings: RoomSettings, now: Now) -> Self {
        Self {
            settings,
            owner_name: ANONYMOUS.to_owned(),
            members: BTreeMap::new(),
            departed: BTreeMap::new(),
            viewers: 0,
            publishing: BTreeMap::new(),
            on_air: BTreeSet::new(),
            on_air_since: None,
            had_host: false,
            host_away_since: None,
            requests: Vec::new(),
            barred_users: BTreeSet::new(),
            barred_badges: BTreeSet::new(),
            chat: Chat::default(),
            reactions: Reactions::default(),
            speaking: BTreeMap::new(),
            new_quality: BTreeSet::new(),
            quality_told_at: None,
            background: None,
            presence: Presence::default(),
            active_at: now.instant,
            next_rank: 0,
            over: false,
        }
    }

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
                with_place,
            } => {
                let new = Publishing {
                    publication,
                    with_place,
                };
                self.publish(new, user, username, role, now, effects);
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
        let done = match message {
            ClientMessage::Ping | ClientMessage::KeepAlive | ClientMessage::WebrtcSignal { to_user_id: None, .. } => {
                Ok(())
            }
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
            } => self.relay_signal(user, &to, signal_type, signal_data, effects),
        };
        if let Err(refusal) = done {
            let event = refusal.event(action);
            effects.push(Effect::Tell {
                user: user.clone(),
                event,
            });
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

    pub(super) fn tell(user: &UserId, event: ServerEvent, effects: &mut Vec<Effect>) {
        effects.push(Effect::Tell {
            user: user.clone(),
            event,
        });
    }

    #[expect(clippy::unused_self, reason = "it reads as what it is: this room tells all")]
    pub(super) fn tell_all(&self, event: ServerEvent, effects: &mut Vec<Effect>) {
        effects.push(Effect::TellAll { except: None, event });
    }

    /// Tells host and cohosts, but for one.
    pub(super) fn tell_moderators(&self, event: &ServerEvent, except: Option<&UserId>, effects: &mut Vec<Effect>) {
        let moderators = self
            .members
            .values()
            .filter(|m| m.moderates() && Some(&m.user) != except);
        effects.extend(moderators.map(|member| Effect::Tell {
            user: member.user.clone(),
            event: event.clone(),
        }));
    }

    pub(super) fn next_rank(&mut self) -> u64 {
        self.next_rank += 1;
        self.next_rank
    }

    /// What somebody may do, participant or not.
    pub(super) fn role_of(&self, user: &UserId) -> Option<Role> {
        match self.members.get(user) {
            Some(member) => Some(member.role),
            // The only one who publishes without being a participant.
            None => self.publishing.contains_key(user).then_some(Role::Host),
        }
    }

    pub(super) fn name_of(&self, user: &UserId) -> String {
        self.members
            .get(user)
            .map_or_else(|| self.owner_name.clone(), |member| member.username.clone())
    }

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
            ice_servers: self.settings.ice_servers.to_vec(),
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
        let member = self.members.get(user);
        let role = member.map_or(role, |member| member.role);
        if !role.may(footlight_protocol::Right::Publish) {
            return Err(PublishRefusal::NotOnStage);
        }
        if member.is_none() && role != Role::Host && self.stage_is_full() {
            return Err(PublishRefusal::StageFull);
        }
        Ok(())
    }

    /// Whether somebody may come in.
    pub fn admits(&self, user: Option<&UserId>, role: Role, badges: Badges) -> Result<(), JoinRefusal> {
        if self.over {
            return Err(JoinRefusal::Ended);
        }
        let is_barred = |badge: Option<Badge>| badge.is_some_and(|badge| self.barred_badges.contains(&badge));
        let is_known = user.is_some_and(|user| self.barred_users.contains(user));
        if is_known || (role != Role::Host && (is_barred(badges.visitor) || is_barred(badges.address))) {
            return Err(JoinRefusal::Barred);
        }
        let has_place = user.is_some_and(|user| self.members.contains_key(user));
        if role != Role::Host && !has_place && self.is_full() {
            return Err(JoinRefusal::Full);
        }
        Ok(())
    }

    /// Whose place this is, where `is_token` says yes to its token and its time is not over.
    pub fn may_resume(&self, user: &UserId, is_token: impl Fn(&str) -> bool, now: Now) -> bool {
        let in_time = |since: Instant| now.instant.saturating_duration_since(since) <= self.settings.resume_within;
        let owns = |member: &Member| member.resume_token.as_deref().is_some_and(&is_token);
        match (self.members.get(user), self.departed.get(user)) {
            _ if self.over => false,
            // A connection whose loss the server has not noticed yet may be replaced as well.
            (Some(member), _) => owns(member) && member.away_since.is_none_or(in_time),
            (None, Some(departed)) => owns(&departed.member) && in_time(departed.at),
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

    /// What a host or cohost has turned off of this user's.
    pub fn muted(&self, user: &UserId) -> Muted {
        self.members
            .get(user)
            .map_or_else(Muted::default, |member| member.muted)
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
            .filter(|_| self.settings.visibility == Visibility::Public)?;
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

pub(super) fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

#[cfg(test)]
mod tests;
