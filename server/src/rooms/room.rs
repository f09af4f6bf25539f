//! One session's state, and what all of its rules need.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use footlight_protocol::{ANONYMOUS, Role, ServerEvent, SessionId, SessionMode, Topology, UserId, Visibility};

use super::chat::Chat;
use super::command::Effect;
use super::member::{Badge, Member};
use super::memory::Memory;
use super::presence::Presence;
use super::reactions::Reactions;

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
    /// What was decided about those who went.
    pub(super) memory: Memory,
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
    pub(super) active_at: Instant,
    next_rank: u64,
    pub(super) over: bool,
}

impl Room {
    /// An empty room.
    pub fn new(settings: RoomSettings, now: Now) -> Self {
        Self {
            settings,
            owner_name: ANONYMOUS.to_owned(),
            members: BTreeMap::new(),
            departed: BTreeMap::new(),
            memory: Memory::default(),
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
            None => (*user == self.settings.owner && self.publishing.contains_key(user)).then_some(Role::Host),
        }
    }

    pub(super) fn name_of(&self, user: &UserId) -> String {
        self.members
            .get(user)
            .map_or_else(|| self.owner_name.clone(), |member| member.username.clone())
    }
}

pub(super) fn rfc3339(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

#[cfg(test)]
mod tests;
