//! What happens in a session, rule by rule.

mod attendance;
mod broadcast;
mod chat;
mod host;
mod mesh;
mod moderation;
mod permissions;
mod resume;
mod stage;

use footlight_protocol::{
    ClientMessage, Connection, EndReason, MediaKind, ParticipantAction, Reaction, Right, Welcome,
};

use super::super::command::Command;
use super::super::member::Badges;
use super::super::refusal::{JoinRefusal, PublishRefusal};
use super::super::welcome::LISTED_PARTICIPANTS;
use super::*;

const IDLE: Duration = Duration::from_hours(1);
const GRACE: Duration = Duration::from_mins(1);
const RESUME: Duration = Duration::from_secs(30);

fn user(name: &str) -> UserId {
    name.parse().expect("a user id")
}

fn settings(mode: SessionMode) -> RoomSettings {
    RoomSettings {
        id: "show".parse().expect("a session id"),
        title: "A show".into(),
        mode,
        topology: Topology::Sfu,
        visibility: Visibility::Public,
        owner: user("host"),
        idle_limit: IDLE,
        host_grace: GRACE,
        resume_within: RESUME,
        max_participants: 1000,
    }
}

/// A room and its clock.
struct World {
    room: Room,
    now: Now,
}

impl World {
    fn with(settings: RoomSettings) -> Self {
        let now = Now::read();
        Self {
            room: Room::new(settings, now),
            now,
        }
    }

    fn new() -> Self {
        Self::with(settings(SessionMode::Camera))
    }

    /// With one in each role, named after it, and the second of viewers and guests.
    fn full_house() -> Self {
        let mut world = Self::new();
        for name in ["host", "cohost", "guest", "guest2", "viewer", "viewer2"] {
            let role = match name.trim_end_matches('2') {
                "host" => Role::Host,
                "cohost" => Role::Cohost,
                "guest" => Role::Guest,
                _ => Role::Viewer,
            };
            world.join(name, role);
        }
        world
    }

    fn pass(&mut self, by: Duration) -> Vec<Effect> {
        self.now = Now {
            instant: self.now.instant + by,
            wall: self.now.wall + by,
        };
        self.room.handle(Command::Tick, self.now)
    }

    fn handle(&mut self, command: Command) -> Vec<Effect> {
        self.room.handle(command, self.now)
    }

    fn join(&mut self, name: &str, role: Role) -> Vec<Effect> {
        self.join_with(name, role, Badges::default())
    }

    fn join_with(&mut self, name: &str, role: Role, badges: Badges) -> Vec<Effect> {
        self.handle(Command::Join {
            user: user(name),
            username: name.to_uppercase(),
            role,
            badges,
            resume_token: Some(format!("{name}.1")),
        })
    }

    fn act(&mut self, name: &str, message: ClientMessage) -> Vec<Effect> {
        self.handle(Command::Act {
            user: user(name),
            message,
        })
    }

    fn moderate(&mut self, by: &str, target: &str, action_type: ParticipantAction) -> Vec<Effect> {
        self.act(
            by,
            ClientMessage::ParticipantAction {
                target_user_id: user(target),
                action_type,
            },
        )
    }

    fn respond(&mut self, by: &str, target: &str, approved: bool) -> Vec<Effect> {
        self.act(
            by,
            ClientMessage::RespondGuest {
                target_user_id: user(target),
                approved,
            },
        )
    }

    fn say(&mut self, name: &str, message: &str) -> Vec<Effect> {
        let message = message.to_owned();
        self.act(name, ClientMessage::Chat { message })
    }

    fn publish(&mut self, name: &str, publication: u64) -> Vec<Effect> {
        let publication = Publication(publication);
        let mut effects = self.handle(Command::Publish {
            publication,
            user: user(name),
            username: None,
            role: if name == "host" { Role::Host } else { Role::Viewer },
            badges: Badges::default(),
            with_place: true,
        });
        effects.extend(self.handle(Command::MediaStarted {
            publication,
            kind: MediaKind::Video,
        }));
        effects
    }

    /// Publishes without a WebSocket, by a token that says who this is and what this one may do.
    fn publish_alone(&mut self, name: &str, role: Role, publication: u64) -> Vec<Effect> {
        self.handle(Command::Publish {
            publication: Publication(publication),
            user: user(name),
            username: None,
            role,
            badges: Badges::default(),
            with_place: false,
        })
    }

    fn role(&self, name: &str) -> Option<Role> {
        self.room.role(&user(name))
    }
}

/// What everybody was told.
fn told_all(effects: &[Effect]) -> Vec<&ServerEvent> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::TellAll { event, .. } => Some(event),
            _ => None,
        })
        .collect()
}

/// What one was told alone.
fn told<'a>(name: &str, effects: &'a [Effect]) -> Vec<&'a ServerEvent> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Tell { user, event } if user.as_str() == name => Some(event),
            _ => None,
        })
        .collect()
}

fn refusal(name: &str, effects: &[Effect]) -> Option<String> {
    told(name, effects).into_iter().find_map(|event| match event {
        ServerEvent::Error { code, .. } => Some(code.clone()),
        _ => None,
    })
}

fn welcome(effects: &[Effect]) -> &Welcome {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Tell {
                event: ServerEvent::CurrentParticipants(welcome),
                ..
            } => Some(&**welcome),
            _ => None,
        })
        .expect("a welcome")
}
