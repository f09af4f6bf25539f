//! What holds for every sequence of commands.

use std::collections::BTreeSet;
use std::time::Duration;

use footlight_protocol::{EndReason, Role, ServerEvent, SessionMode, UserId, Visibility};
use proptest::prelude::*;

use super::{Command, Effect, Now, Publication, Room, RoomSettings};

fn user(number: u8) -> UserId {
    format!("u{number}").parse().expect("a user id")
}

fn command() -> impl Strategy<Value = Command> {
    let publication = (0..4u64).prop_map(Publication);
    prop_oneof![
        8 => (0..60u8).prop_map(|n| Command::Join {
            user: user(n),
            username: format!("name {n}"),
            role: if n == 0 { Role::Host } else { Role::Viewer },
        }),
        4 => (0..60u8).prop_map(|n| Command::Leave { user: user(n) }),
        2 => publication.clone().prop_map(|publication| Command::Publish { publication, username: None }),
        2 => publication.clone().prop_map(|publication| Command::MediaStarted { publication }),
        2 => publication.prop_map(|publication| Command::PublishStopped { publication }),
        4 => Just(Command::Tick),
        1 => Just(Command::End { reason: EndReason::EndedByHost }),
    ]
}

/// What an attentive participant believes after having heard everything.
#[derive(Default)]
struct Listener {
    viewer_count: Option<u32>,
    on_air: bool,
}

impl Listener {
    fn hear(&mut self, event: &ServerEvent) {
        match event {
            ServerEvent::UserJoined { viewer_count, .. } | ServerEvent::UserLeft { viewer_count, .. } => {
                self.viewer_count = Some(*viewer_count);
            }
            ServerEvent::BroadcastStarted { .. } => {
                assert!(!self.on_air, "started twice");
                self.on_air = true;
            }
            ServerEvent::BroadcastStopped { .. } => {
                assert!(self.on_air, "stopped without having started");
                self.on_air = false;
            }
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn what_is_told_agrees_with_what_is(commands in prop::collection::vec((command(), 0..400u64), 1..200)) {
        let mut now = Now::read();
        let settings = RoomSettings {
            id: "show".parse().expect("a session id"),
            title: String::new(),
            mode: SessionMode::Camera,
            visibility: Visibility::Public,
            host: user(0),
            idle_limit: Duration::from_secs(10),
            max_participants: 1000,
        };
        let mut room = Room::new(settings, now);
        let mut members = BTreeSet::new();
        let mut listener = Listener::default();
        let mut open = None;
        for (command, pause) in commands {
            now.instant += Duration::from_millis(pause);
            now.wall += Duration::from_millis(pause);
            let was_over = room.is_over();
            let effects = room.handle(command.clone(), now);
            if was_over {
                prop_assert_eq!(&effects, &[]);
                continue;
            }
            match command {
                Command::Join { user, .. } => drop(members.insert(user)),
                Command::Leave { user } => drop(members.remove(&user)),
                Command::Publish { publication, .. } => {
                    let replaced = open.replace(publication).filter(|old| *old != publication);
                    let closed = effects.iter().find_map(|e| match e {
                        Effect::ClosePublication(publication) => Some(*publication),
                        _ => None,
                    });
                    prop_assert_eq!(closed, replaced, "exactly the replaced connection is closed");
                }
                Command::PublishStopped { publication } if open == Some(publication) => open = None,
                _ => {}
            }
            for effect in &effects {
                match effect {
                    Effect::Tell { user, .. } => prop_assert!(members.contains(user), "{user} is not there"),
                    Effect::TellAll { event, .. } => listener.hear(event),
                    Effect::ClosePublication(_) => {}
                    Effect::Over => prop_assert!(room.is_over()),
                }
            }
            if !room.is_over() {
                prop_assert_eq!(room.participant_count() as usize, members.len());
                let viewers = members.iter().filter(|m| **m != user(0)).count();
                prop_assert_eq!(room.viewer_count() as usize, viewers);
                prop_assert_eq!(room.on_air_since().is_some(), listener.on_air);
            }
        }
        // Once nobody comes or goes, the last count that was told is the true one.
        if !room.is_over() && !members.is_empty() {
            now.instant += Duration::from_secs(1);
            for effect in room.handle(Command::Tick, now) {
                if let Effect::TellAll { event, .. } = effect {
                    listener.hear(&event);
                }
            }
            if let Some(told) = listener.viewer_count {
                prop_assert_eq!(told, room.viewer_count());
            }
        }
    }
}
