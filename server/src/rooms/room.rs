//! One session's state and rules.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use footlight_protocol::{
    ANONYMOUS, Broadcaster, EndReason, Participant, Role, ServerEvent, SessionId, SessionMode, SessionSummary,
    Topology, UserId, Visibility, Welcome,
};

use super::presence::Presence;

/// Most participants that `current_participants` names. A page shows a handful of them, and ten thousand would not fit
/// into one frame of 64 KiB; `viewer_count` stays exact.
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
    /// Whether it is listed.
    pub visibility: Visibility,
    /// Who is on air, by default under the name [`ANONYMOUS`].
    pub host: UserId,
    /// How long it stays without anybody in it.
    pub idle_limit: Duration,
    /// Most participants at a time.
    pub max_participants: usize,
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
        /// What this person may do.
        role: Role,
    },
    /// Somebody's connection is gone.
    Leave {
        /// Who.
        user: UserId,
    },
    /// A publish connection was accepted. It replaces the one before.
    Publish {
        /// The new connection.
        publication: Publication,
        /// The host's name from now on, where the publisher gave one.
        username: Option<String>,
    },
    /// The first media of a publish connection arrived.
    MediaStarted {
        /// Whose.
        publication: Publication,
    },
    /// A publish connection is gone.
    PublishStopped {
        /// Which.
        publication: Publication,
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
    /// Close a publish connection.
    ClosePublication(Publication),
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
}

#[derive(Debug)]
struct Publishing {
    publication: Publication,
    /// When this broadcast went on air; kept when its publisher comes back on a new connection.
    on_air_since: Option<SystemTime>,
}

/// One session. See the module's documentation for the one rule.
#[derive(Debug)]
pub struct Room {
    settings: RoomSettings,
    host_name: String,
    /// Ordered, so that the same commands always give the same effects.
    members: BTreeMap<UserId, Participant>,
    viewers: u32,
    publishing: Option<Publishing>,
    presence: Presence,
    active_at: Instant,
    over: bool,
}

impl Room {
    /// An empty room.
    pub fn new(settings: RoomSettings, now: Now) -> Self {
        Self {
            settings,
            host_name: ANONYMOUS.to_owned(),
            members: BTreeMap::new(),
            viewers: 0,
            publishing: None,
            presence: Presence::default(),
            active_at: now.instant,
            over: false,
        }
    }

    /// Applies a command. The effects are to be carried out in their order.
    #[must_use = "effects that are not carried out are lost"]
    pub fn handle(&mut self, command: Command, now: Now) -> Vec<Effect> {
        if self.over {
            return Vec::new();
        }
        if !matches!(command, Command::Tick) {
            self.active_at = now.instant;
        }
        match command {
            Command::Join { user, username, role } => self.join(user, username, role, now),
            Command::Leave { user } => self.leave(&user, now),
            Command::Publish { publication, username } => self.publish(publication, username),
            Command::MediaStarted { publication } => self.media_started(publication, now),
            Command::PublishStopped { publication } => self.publish_stopped(publication),
            Command::Rename { title } => {
                self.settings.title = title;
                Vec::new()
            }
            Command::End { reason } => self.end(reason),
            Command::Tick => self.tick(now),
        }
    }

    fn join(&mut self, user: UserId, username: String, role: Role, now: Now) -> Vec<Effect> {
        let you = Participant {
            user_id: user.clone(),
            username,
            role,
            audio_enabled: false,
            video_enabled: false,
            audio_muted: false,
            video_muted: false,
            on_air: false,
            connection_quality: None,
        };
        if role == Role::Host {
            self.host_name.clone_from(&you.username);
        }
        let before = self.members.insert(user.clone(), you.clone());
        self.count_viewers(before.as_ref().map(|p| p.role), Some(role));
        let mut effects = vec![Effect::Tell {
            user: user.clone(),
            event: self.current_participants(you.clone()),
        }];
        if before.is_none() {
            let joined = ServerEvent::UserJoined {
                user_id: user.clone(),
                username: you.username,
                role,
                viewer_count: self.viewers,
            };
            if let Some(event) = self.presence.offer(joined, self.members.len(), now.instant) {
                effects.push(Effect::TellAll {
                    except: Some(user),
                    event,
                });
            }
        }
        effects
    }

    fn leave(&mut self, user: &UserId, now: Now) -> Vec<Effect> {
        let Some(gone) = self.members.remove(user) else {
            return Vec::new();
        };
        self.count_viewers(Some(gone.role), None);
        let left = ServerEvent::UserLeft {
            user_id: gone.user_id,
            username: gone.username,
            viewer_count: self.viewers,
        };
        // The one who left counts as well, so that a room at the limit is big for joining and leaving alike.
        self.presence
            .offer(left, self.members.len() + 1, now.instant)
            .map(|event| Effect::TellAll { except: None, event })
            .into_iter()
            .collect()
    }

    fn publish(&mut self, publication: Publication, username: Option<String>) -> Vec<Effect> {
        if let Some(name) = username {
            self.host_name.clone_from(&name);
            if let Some(host) = self.members.get_mut(&self.settings.host) {
                host.username = name;
            }
        }
        // The broadcast goes on across the change of connection: its viewers are not told that it stopped, because for
        // them it did not.
        let replaced = self.publishing.take();
        self.publishing = Some(Publishing {
            publication,
            on_air_since: replaced.as_ref().and_then(|p| p.on_air_since),
        });
        replaced
            .filter(|p| p.publication != publication)
            .map(|p| Effect::ClosePublication(p.publication))
            .into_iter()
            .collect()
    }

    fn media_started(&mut self, publication: Publication, now: Now) -> Vec<Effect> {
        match &mut self.publishing {
            Some(current) if current.publication == publication && current.on_air_since.is_none() => {
                current.on_air_since = Some(now.wall);
                let event = ServerEvent::BroadcastStarted {
                    user_id: self.settings.host.clone(),
                    username: self.host_name.clone(),
                };
                vec![Effect::TellAll { except: None, event }]
            }
            _ => Vec::new(),
        }
    }

    fn publish_stopped(&mut self, publication: Publication) -> Vec<Effect> {
        // An older connection that times out after its publisher came back stops nothing.
        let Some(stopped) = self.publishing.take_if(|p| p.publication == publication) else {
            return Vec::new();
        };
        if stopped.on_air_since.is_none() {
            return Vec::new();
        }
        let event = ServerEvent::BroadcastStopped {
            user_id: self.settings.host.clone(),
            username: self.host_name.clone(),
        };
        vec![Effect::TellAll { except: None, event }]
    }

    fn end(&mut self, reason: EndReason) -> Vec<Effect> {
        self.over = true;
        let event = ServerEvent::SessionEnded { reason };
        let mut effects = vec![Effect::TellAll { except: None, event }];
        effects.extend(self.publishing.take().map(|p| Effect::ClosePublication(p.publication)));
        effects.push(Effect::Over);
        effects
    }

    fn tick(&mut self, now: Now) -> Vec<Effect> {
        let empty = self.members.is_empty() && self.publishing.is_none();
        if empty && now.instant.saturating_duration_since(self.active_at) >= self.settings.idle_limit {
            return self.end(EndReason::Idle);
        }
        self.presence
            .poll(now.instant)
            .map(|event| Effect::TellAll { except: None, event })
            .into_iter()
            .collect()
    }

    fn count_viewers(&mut self, before: Option<Role>, after: Option<Role>) {
        if before == Some(Role::Viewer) {
            self.viewers -= 1;
        }
        if after == Some(Role::Viewer) {
            self.viewers += 1;
        }
    }

    fn current_participants(&self, you: Participant) -> ServerEvent {
        let mut participants = Vec::with_capacity(self.members.len().min(LISTED_PARTICIPANTS) + 1);
        // Somebody who publishes by WHIP alone has no WebSocket, and is there nevertheless.
        if self.publishing.is_some() && !self.members.contains_key(&self.settings.host) {
            participants.push(self.host());
        }
        participants.push(you.clone());
        let (hosts, viewers): (Vec<_>, Vec<_>) = self
            .members
            .values()
            .filter(|p| p.user_id != you.user_id)
            .partition(|p| p.role == Role::Host);
        let others = hosts.into_iter().chain(viewers).cloned();
        participants.extend(others.take(LISTED_PARTICIPANTS.saturating_sub(participants.len())));
        ServerEvent::CurrentParticipants(Box::new(Welcome {
            you,
            participants,
            viewer_count: self.viewers,
            mode: self.settings.mode,
            topology: Topology::Sfu,
            title: self.settings.title.clone(),
            started_at: self.on_air_since().map(rfc3339),
            resume_token: String::new(),
            chat_history: Vec::new(),
            guest_requests: Vec::new(),
            slow_mode_seconds: 0,
            guest_limit: self.settings.mode.guest_limit(),
            background: None,
        }))
    }

    fn host(&self) -> Participant {
        Participant {
            user_id: self.settings.host.clone(),
            username: self.host_name.clone(),
            role: Role::Host,
            audio_enabled: true,
            video_enabled: true,
            audio_muted: false,
            video_muted: false,
            on_air: true,
            connection_quality: None,
        }
    }

    /// Whether a publisher without a token may publish now. The owner always may, for a new connection of the owner's
    /// replaces the older one.
    pub fn may_publish_anonymously(&self) -> Result<(), PublishRefusal> {
        match (self.over, &self.publishing) {
            (true, _) => Err(PublishRefusal::Ended),
            (false, Some(_)) => Err(PublishRefusal::OnAir),
            (false, None) => Ok(()),
        }
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

    /// Everybody who is connected.
    pub fn participant_count(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    /// When it went on air; `None` while nobody is.
    pub fn on_air_since(&self) -> Option<SystemTime> {
        self.publishing.as_ref().and_then(|p| p.on_air_since)
    }

    /// The connection that publishes now.
    pub fn publication(&self) -> Option<Publication> {
        self.publishing.as_ref().map(|p| p.publication)
    }

    /// The host's place in the session.
    pub fn host_id(&self) -> &UserId {
        &self.settings.host
    }

    /// What `GET /api/sessions` says of it: nothing unless it is public and on air.
    pub fn summary(&self) -> Option<SessionSummary> {
        let started_at = self
            .on_air_since()
            .filter(|_| self.settings.visibility == Visibility::Public)?;
        Some(SessionSummary {
            session_id: self.settings.id.clone(),
            title: self.settings.title.clone(),
            mode: self.settings.mode,
            topology: Topology::Sfu,
            viewer_count: self.viewers,
            started_at: rfc3339(started_at),
            broadcasters: vec![Broadcaster {
                user_id: self.settings.host.clone(),
                username: self.host_name.clone(),
            }],
        })
    }
}

fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

#[cfg(test)]
mod tests;
