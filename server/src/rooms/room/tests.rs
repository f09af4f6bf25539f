//! What happens in a session, rule by rule.

use footlight_protocol::{ParticipantAction, Reaction, Right};

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
        ice_servers: Arc::default(),
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
            with_place: true,
        });
        effects.extend(self.handle(Command::MediaStarted {
            publication,
            kind: MediaKind::Video,
        }));
        effects
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

#[test]
fn who_joins_hears_who_is_there_and_the_others_hear_of_it() {
    let mut world = World::new();
    world.join("ann", Role::Viewer);
    let effects = world.join("bob", Role::Viewer);
    let [Effect::Tell { user: to, .. }, Effect::TellAll { except, event: joined }] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!((to, except), (&user("bob"), &Some(user("bob"))));
    let welcome = welcome(&effects);
    assert_eq!((welcome.viewer_count, welcome.participants.len()), (2, 2));
    assert_eq!(welcome.resume_token, "bob.1");
    assert!(matches!(joined, ServerEvent::UserJoined { viewer_count: 2, .. }));
}

#[test]
fn the_host_is_no_viewer() {
    let mut world = World::new();
    world.join("host", Role::Host);
    assert_eq!((world.room.viewer_count(), world.room.participant_count()), (0, 1));
}

#[test]
fn a_second_connection_of_the_same_user_is_no_second_participant() {
    let mut world = World::new();
    world.join("ann", Role::Viewer);
    let effects = world.join("ann", Role::Viewer);
    assert_eq!(effects.len(), 1, "{effects:?}");
    assert_eq!(world.room.viewer_count(), 1);
}

#[test]
fn it_is_on_air_from_the_first_media_and_not_from_the_connection() {
    let mut world = World::new();
    let publication = Publication(1);
    let publish = Command::Publish {
        publication,
        user: user("host"),
        username: Some("Ann".into()),
        role: Role::Host,
        with_place: false,
    };
    assert_eq!(world.handle(publish), []);
    assert_eq!(world.room.summary(), None);
    let kind = MediaKind::Audio;
    let effects = world.handle(Command::MediaStarted { publication, kind });
    assert!(
        matches!(&effects[..], [Effect::TellAll { event: ServerEvent::BroadcastStarted { username, .. }, .. }] if username == "Ann")
    );
    assert_eq!(world.room.summary().expect("listed").broadcasters[0].username, "Ann");
    let effects = world.join("ann", Role::Viewer);
    let listed = &welcome(&effects).participants;
    assert!(listed.iter().any(|p| p.role == Role::Host && p.on_air), "{listed:?}");
}

#[test]
fn a_publisher_that_comes_back_replaces_its_older_connection_without_going_off_air() {
    let mut world = World::new();
    world.publish("host", 1);
    let since = world.room.on_air_since();
    let effects = world.publish("host", 2);
    assert_eq!(effects, [Effect::ClosePublication(Publication(1))]);
    let publication = Publication(1);
    assert_eq!(world.handle(Command::PublishStopped { publication }), []);
    assert_eq!(world.room.on_air_since(), since);
}

#[test]
fn viewers_hear_that_the_publisher_is_gone_and_the_session_stays() {
    let mut world = World::new();
    world.join("host", Role::Host);
    world.publish("host", 1);
    let publication = Publication(1);
    let effects = world.handle(Command::PublishStopped { publication });
    assert!(matches!(told_all(&effects)[..], [ServerEvent::BroadcastStopped { .. }]));
    assert!(!world.room.is_over());
    assert_eq!(world.room.may_publish_anonymously(), Ok(()));
}

#[test]
fn one_anonymous_publisher_at_a_time() {
    let mut world = World::new();
    world.publish("host", 1);
    assert_eq!(world.room.may_publish_anonymously(), Err(PublishRefusal::OnAir));
}

#[test]
fn the_host_goes_on_and_off_air_by_word_and_nobody_else_does() {
    let mut world = World::full_house();
    let effects = world.act("host", ClientMessage::StartBroadcast);
    assert!(matches!(told_all(&effects)[..], [ServerEvent::BroadcastStarted { .. }]));
    assert_eq!(
        told_all(&world.act("host", ClientMessage::StartBroadcast)),
        [] as [&ServerEvent; 0]
    );
    for name in ["cohost", "guest", "viewer"] {
        let effects = world.act(name, ClientMessage::StopBroadcast);
        assert_eq!(refusal(name, &effects).as_deref(), Some("forbidden"));
    }
    world.publish("host", 1);
    let effects = world.act("host", ClientMessage::StopBroadcast);
    assert!(effects.contains(&Effect::ClosePublication(Publication(1))));
    assert!(matches!(told_all(&effects)[..], [ServerEvent::BroadcastStopped { .. }]));
    assert_eq!(world.room.on_air_since(), None);
}

#[test]
fn an_empty_session_lives_for_its_idle_time_after_the_last_activity() {
    let mut world = World::new();
    world.join("ann", Role::Viewer);
    assert_eq!(world.pass(2 * IDLE), []);
    let _ = world.handle(Command::Leave { user: user("ann") });
    assert_eq!(world.pass(Duration::from_mins(59)), []);
    let effects = world.pass(Duration::from_mins(1));
    assert_eq!(effects.last(), Some(&Effect::Over));
}

#[test]
fn ending_tells_everybody_closes_the_publishers_and_is_final() {
    let mut world = World::full_house();
    world.publish("host", 7);
    world.publish("guest", 8);
    let effects = world.act("host", ClientMessage::EndSession);
    let reason = EndReason::EndedByHost;
    assert_eq!(told_all(&effects), [&ServerEvent::SessionEnded { reason }]);
    assert!(effects.contains(&Effect::ClosePublication(Publication(7))));
    assert!(effects.contains(&Effect::ClosePublication(Publication(8))));
    assert_eq!(effects.last(), Some(&Effect::Over));
    assert_eq!(world.join("ann", Role::Viewer), []);
}

#[test]
fn it_is_full_at_its_limit_but_not_for_its_host() {
    let mut world = World::with(RoomSettings {
        max_participants: 3,
        ..settings(SessionMode::Camera)
    });
    for name in ["a", "b", "c"] {
        assert!(!world.room.is_full());
        world.join(name, Role::Viewer);
    }
    assert!(world.room.is_full());
    assert_eq!(world.join("d", Role::Viewer), []);
    let admits = |name, role| world.room.admits(Some(&user(name)), role, Badges::default());
    assert_eq!(admits("d", Role::Viewer), Err(JoinRefusal::Full));
    assert_eq!(admits("a", Role::Viewer), Ok(()));
    assert_eq!(admits("host", Role::Host), Ok(()));
}

#[test]
fn a_crowd_is_listed_in_part_and_counted_in_full() {
    let mut world = World::new();
    for n in 0..200 {
        world.join(&format!("v{n:03}"), Role::Viewer);
    }
    world.join("zoe", Role::Guest);
    let effects = world.join("host", Role::Host);
    let welcome = welcome(&effects);
    assert_eq!(
        (welcome.participants.len(), welcome.viewer_count),
        (LISTED_PARTICIPANTS, 200)
    );
    assert!(welcome.participants.iter().any(|p| p.role == Role::Guest));
}

/// Every action, by every role, done to every role: allowed or refused as the table says.
#[test]
fn every_action_is_allowed_or_refused_as_the_table_says() {
    use ParticipantAction::{Ban, Demote, Kick, MuteAudio, MuteVideo, Promote, UnmuteAudio, UnmuteVideo};

    let roles = ["viewer", "guest", "cohost", "host"];
    let target = |name: &str| user(name);
    for by in roles {
        let role = World::full_house().role(by).expect("in the room");
        let simple: [(ClientMessage, Option<Right>); 12] = [
            (ClientMessage::Ping, None),
            (ClientMessage::KeepAlive, None),
            (
                ClientMessage::Chat {
                    message: "hello".into(),
                },
                Some(Right::Chat),
            ),
            (
                ClientMessage::Reaction {
                    reaction: Reaction::Fire,
                },
                Some(Right::React),
            ),
            (ClientMessage::RequestGuest, Some(Right::RequestGuest)),
            (
                ClientMessage::ClearMessages {
                    target_user_id: target("viewer"),
                },
                Some(Right::ClearMessages),
            ),
            (ClientMessage::SlowMode { seconds: 5 }, Some(Right::SlowMode)),
            (
                ClientMessage::UpdateMediaStatus {
                    audio_enabled: true,
                    video_enabled: true,
                },
                Some(Right::Publish),
            ),
            (ClientMessage::StartBroadcast, Some(Right::Broadcast)),
            (ClientMessage::StopBroadcast, Some(Right::Broadcast)),
            (ClientMessage::EndSession, Some(Right::EndSession)),
            (ClientMessage::WithdrawRequest, None),
        ];
        for (message, right) in simple {
            let mut world = World::full_house();
            let expected = right.filter(|right| !role.may(*right)).map(|_| "forbidden".to_owned());
            let effects = world.act(by, message.clone());
            assert_eq!(refusal(by, &effects), expected, "{by}: {message:?}");
        }
        let mut world = World::full_house();
        world.say("viewer2", "to be deleted");
        let effects = world.act(
            by,
            ClientMessage::DeleteMessage {
                message_id: "m1".into(),
            },
        );
        assert_eq!(refusal(by, &effects).is_none(), role.may(Right::DeleteMessage), "{by}");

        let mut world = World::full_house();
        world.act("viewer2", ClientMessage::RequestGuest);
        let effects = world.respond(by, "viewer2", true);
        assert_eq!(refusal(by, &effects).is_none(), role.may(Right::RespondGuest), "{by}");
        assert_eq!(
            world.role("viewer2") == Some(Role::Guest),
            role.may(Right::RespondGuest),
            "{by}"
        );

        for action in [
            MuteAudio,
            UnmuteAudio,
            MuteVideo,
            UnmuteVideo,
            Kick,
            Ban,
            Promote,
            Demote,
        ] {
            for on in ["viewer2", "guest2", "cohost", "host"] {
                let mut world = World::full_house();
                let target_role = world.role(on).expect("in the room");
                let effects = world.moderate(by, on, action);
                let impossible = match action {
                    MuteAudio | UnmuteAudio | MuteVideo | UnmuteVideo | Demote => target_role == Role::Viewer,
                    Promote => target_role == Role::Cohost,
                    Kick | Ban => false,
                };
                let allowed = role.may(action.into()) && target_role != Role::Host && by != on && !impossible;
                assert_eq!(
                    refusal(by, &effects).is_none(),
                    allowed,
                    "{by} {action:?} {on}: {effects:?}"
                );
                if !allowed {
                    assert_eq!(effects.len(), 1, "a refusal changes nothing: {effects:?}");
                    assert_eq!(world.role(on), Some(target_role));
                }
            }
        }
    }
}

#[test]
fn a_request_reaches_those_who_decide_and_the_answer_the_one_who_asked() {
    let mut world = World::full_house();
    let effects = world.act("viewer", ClientMessage::RequestGuest);
    assert!(told_all(&effects).is_empty());
    for (name, count) in [("host", 1), ("cohost", 1), ("guest", 0), ("viewer2", 0), ("viewer", 0)] {
        assert_eq!(told(name, &effects).len(), count, "{name}");
    }
    // Asking twice is asking once.
    assert_eq!(world.act("viewer", ClientMessage::RequestGuest), []);
    let effects = world.join("late", Role::Cohost);
    assert_eq!(welcome(&effects).guest_requests.len(), 1);
    let effects = world.join("later", Role::Viewer);
    assert_eq!(welcome(&effects).guest_requests, []);

    let effects = world.respond("cohost", "viewer", false);
    let rejected_by = "COHOST".to_owned();
    assert_eq!(told("viewer", &effects), [&ServerEvent::GuestRejected { rejected_by }]);
    assert_eq!(told("host", &effects).len(), 1, "the request is closed for the others");
    assert_eq!(world.role("viewer"), Some(Role::Viewer));
    assert_eq!(
        refusal("host", &world.respond("host", "viewer", true)).as_deref(),
        Some("no_request")
    );

    world.act("viewer", ClientMessage::RequestGuest);
    let effects = world.respond("host", "viewer", true);
    let told_viewer = told("viewer", &effects);
    assert!(matches!(told_viewer[0], ServerEvent::GuestApproved { approved_by } if approved_by == "HOST"));
    assert!(
        told_all(&effects)
            .iter()
            .any(|event| matches!(event, ServerEvent::GuestJoined { .. }))
    );
    assert_eq!(world.room.may_publish(&user("viewer"), Role::Viewer), Ok(()));
    assert_eq!(world.room.viewer_count(), 2);
}

#[test]
fn a_viewer_may_not_publish_and_a_guest_who_is_demoted_may_not_any_more() {
    let mut world = World::full_house();
    let refused = Err(PublishRefusal::NotOnStage);
    assert_eq!(world.room.may_publish(&user("viewer"), Role::Viewer), refused);
    assert_eq!(world.publish("viewer", 3)[0], Effect::ClosePublication(Publication(3)));
    world.publish("guest", 4);
    let effects = world.moderate("cohost", "guest", ParticipantAction::Demote);
    assert!(effects.contains(&Effect::ClosePublication(Publication(4))));
    let new_role = Role::Viewer;
    assert_eq!(told("guest", &effects), [&ServerEvent::Demoted { new_role }]);
    assert_eq!(world.room.may_publish(&user("guest"), Role::Viewer), refused);
}

#[test]
fn each_mode_has_room_for_so_many_guests_and_not_one_more() {
    for (mode, limit) in [
        (SessionMode::Voice, 8),
        (SessionMode::Camera, 10),
        (SessionMode::Studio, 20),
    ] {
        let mut world = World::with(settings(mode));
        world.join("host", Role::Host);
        for n in 0..=limit {
            let name = format!("v{n}");
            world.join(&name, Role::Viewer);
            world.act(&name, ClientMessage::RequestGuest);
            let effects = world.respond("host", &name, true);
            let expected = (n == limit).then(|| "stage_full".to_owned());
            assert_eq!(refusal("host", &effects), expected, "{mode:?}, guest {n}");
        }
        let one_too_many = format!("v{limit}");
        assert_eq!(world.role(&one_too_many), Some(Role::Viewer));
        let effects = world.moderate("host", &one_too_many, ParticipantAction::Promote);
        assert_eq!(refusal("host", &effects).as_deref(), Some("stage_full"));
        // A token for the stage does not make it larger.
        let effects = world.join("late", Role::Guest);
        assert_eq!(welcome(&effects).you.role, Role::Viewer);
        // The one who asked still does, and comes on as soon as somebody goes.
        let _ = world.handle(Command::Leave { user: user("v0") });
        assert_eq!(refusal("host", &world.respond("host", &one_too_many, true)), None);
    }
}

#[test]
fn muted_by_the_host_means_muted_until_the_host_allows_it() {
    let mut world = World::full_house();
    world.publish("guest", 1);
    let on = ClientMessage::UpdateMediaStatus {
        audio_enabled: true,
        video_enabled: true,
    };
    world.act("guest", on.clone());
    let effects = world.moderate("host", "guest", ParticipantAction::MuteAudio);
    assert_eq!(
        effects[0],
        Effect::Mute {
            user: user("guest"),
            kind: MediaKind::Audio,
            muted: true
        }
    );
    let by = "HOST".to_owned();
    assert_eq!(told("guest", &effects), [&ServerEvent::ForceMuteAudio { by }]);
    assert!(matches!(
        told_all(&effects)[..],
        [ServerEvent::ParticipantMediaChanged {
            audio_enabled: false,
            video_enabled: true,
            audio_muted: true,
            ..
        }]
    ));
    assert_eq!(
        refusal("guest", &world.act("guest", on.clone())).as_deref(),
        Some("muted_by_host")
    );
    assert!(world.room.muted(&user("guest")).audio);
    // Neither a new connection nor coming back changes it.
    world.publish("guest", 2);
    let _ = world.handle(Command::Lose { user: user("guest") });
    let _ = world.handle(Command::Resume {
        user: user("guest"),
        resume_token: "guest.2".into(),
    });
    assert!(world.room.muted(&user("guest")).audio);
    let effects = world.moderate("cohost", "guest", ParticipantAction::UnmuteAudio);
    assert!(matches!(
        told("guest", &effects)[..],
        [ServerEvent::UnmuteAllowed { .. }]
    ));
    assert_eq!(refusal("guest", &world.act("guest", on)), None);
}

#[test]
fn a_muted_guest_is_no_speaker() {
    let mut world = World::full_house();
    world.publish("guest", 1);
    let speaks = |level| Command::Speaking {
        user: user("guest"),
        level,
    };
    let effects = world.handle(speaks(Some(-20)));
    let user_ids = vec![user("guest")];
    assert_eq!(told_all(&effects), [&ServerEvent::ActiveSpeakers { user_ids }]);
    assert_eq!(world.handle(speaks(Some(-10))), []);
    let effects = world.join("late", Role::Viewer);
    let user_ids = vec![user("guest")];
    assert!(told("late", &effects).contains(&&ServerEvent::ActiveSpeakers { user_ids }));
    let effects = world.moderate("host", "guest", ParticipantAction::MuteAudio);
    let user_ids = Vec::new();
    assert!(told_all(&effects).contains(&&ServerEvent::ActiveSpeakers { user_ids }));
    assert_eq!(world.handle(speaks(Some(-10))), []);
}

#[test]
fn who_is_sent_away_hears_why_and_cannot_come_back() {
    let browser = Badges {
        visitor: Some(Badge(7)),
        address: Some(Badge(1)),
    };
    let neighbour = Badges {
        visitor: Some(Badge(8)),
        address: Some(Badge(1)),
    };
    for (action, neighbour_stays) in [(ParticipantAction::Kick, true), (ParticipantAction::Ban, false)] {
        let mut world = World::full_house();
        world.join_with("troll", Role::Viewer, browser);
        let effects = world.moderate("cohost", "troll", action);
        assert!(
            matches!(&effects[0], Effect::Tell { user, event: ServerEvent::Kicked { by, .. } }
            if user.as_str() == "troll" && by == "COHOST")
        );
        assert_eq!(effects[1], Effect::Disconnect(user("troll")));
        assert!(matches!(told_all(&effects)[..], [ServerEvent::UserLeft { .. }]));
        let comes_back = [("troll", Badges::default()), ("another-name", browser)];
        for (name, badges) in comes_back {
            assert_eq!(world.join_with(name, Role::Viewer, badges), [], "{name}");
        }
        assert!(!world.room.may_resume(&user("troll"), |_| true, world.now));
        let neighbour = world.room.admits(Some(&user("n")), Role::Viewer, neighbour);
        assert_eq!(neighbour.is_ok(), neighbour_stays, "{action:?}");
    }
}

#[test]
fn a_lost_connection_keeps_its_place_for_a_while_and_nobody_notices() {
    let mut world = World::full_house();
    world.publish("guest", 1);
    assert_eq!(world.handle(Command::Lose { user: user("guest") }), []);
    assert_eq!(world.pass(RESUME), []);
    assert!(
        world
            .room
            .may_resume(&user("guest"), |token| token == "guest.1", world.now)
    );
    assert!(
        !world
            .room
            .may_resume(&user("guest"), |token| token == "guess", world.now)
    );
    assert!(!world.room.may_resume(&user("nobody"), |_| true, world.now));
    let effects = world.handle(Command::Resume {
        user: user("guest"),
        resume_token: "guest.2".into(),
    });
    assert_eq!(effects.len(), 1, "{effects:?}");
    let welcome = welcome(&effects);
    assert_eq!((welcome.you.role, &welcome.resume_token[..]), (Role::Guest, "guest.2"));
    assert!(
        !world
            .room
            .may_resume(&user("guest"), |token| token == "guest.1", world.now)
    );

    let _ = world.handle(Command::Lose { user: user("guest") });
    let effects = world.pass(RESUME + Duration::from_millis(1));
    assert!(
        told_all(&effects)
            .iter()
            .any(|event| matches!(event, ServerEvent::UserLeft { .. }))
    );
    assert!(effects.contains(&Effect::ClosePublication(Publication(1))));
    assert_eq!(world.role("guest"), None);
    assert!(!world.room.may_resume(&user("guest"), |_| true, world.now));
}

#[test]
fn a_page_that_is_loaded_again_gets_its_role_back() {
    let mut world = World::full_house();
    let _ = world.handle(Command::Leave { user: user("guest") });
    assert_eq!(world.role("guest"), None);
    assert!(
        world
            .room
            .may_resume(&user("guest"), |token| token == "guest.1", world.now)
    );
    let resume = Command::Resume {
        user: user("guest"),
        resume_token: "guest.2".into(),
    };
    let effects = world.handle(resume);
    assert!(matches!(
        told_all(&effects)[..],
        [ServerEvent::UserJoined { role: Role::Guest, .. }]
    ));
    assert_eq!(world.role("guest"), Some(Role::Guest));
}

#[test]
fn a_cohost_takes_over_from_a_host_who_does_not_come_back() {
    let mut world = World::full_house();
    let effects = world.handle(Command::Lose { user: user("host") });
    assert_eq!(told_all(&effects), [&ServerEvent::HostAway { grace_seconds: 60 }]);
    world.pass(RESUME + Duration::from_secs(1));
    assert_eq!(world.role("host"), None);
    let effects = world.pass(GRACE);
    let new_role = Role::Host;
    assert_eq!(told("cohost", &effects)[0], &ServerEvent::Promoted { new_role });
    assert!(told_all(&effects).iter().any(|event| matches!(
        event,
        ServerEvent::RoleChanged { role: Role::Host, user_id, .. } if user_id.as_str() == "cohost"
    )));
    assert!(!world.room.is_over());
    // The session is its owner's nevertheless.
    let effects = world.join("host", Role::Host);
    assert_eq!(welcome(&effects).you.role, Role::Host);
    assert_eq!(world.role("cohost"), Some(Role::Cohost));
}

#[test]
fn without_a_cohost_the_session_ends_and_says_why() {
    let mut world = World::new();
    world.join("host", Role::Host);
    world.join("viewer", Role::Viewer);
    let effects = world.handle(Command::Leave { user: user("host") });
    assert!(told_all(&effects).contains(&&ServerEvent::HostAway { grace_seconds: 60 }));
    assert!(!world.room.is_over());
    let effects = world.pass(GRACE);
    let reason = EndReason::HostLeft;
    assert_eq!(told_all(&effects), [&ServerEvent::SessionEnded { reason }]);
    assert!(world.room.is_over());
}

#[test]
fn a_host_who_comes_back_in_time_is_host_as_before() {
    let mut world = World::full_house();
    let _ = world.handle(Command::Lose { user: user("host") });
    world.pass(Duration::from_secs(20));
    let effects = world.handle(Command::Resume {
        user: user("host"),
        resume_token: "host.2".into(),
    });
    assert_eq!(told_all(&effects), [&ServerEvent::HostBack]);
    assert_eq!(told_all(&world.pass(2 * GRACE)), [] as [&ServerEvent; 0]);
    assert_eq!(world.role("host"), Some(Role::Host));
}

#[test]
fn viewers_may_wait_for_a_host_who_was_never_there() {
    let mut world = World::new();
    world.join("viewer", Role::Viewer);
    assert_eq!(world.pass(3 * GRACE), []);
}

#[test]
fn a_host_who_publishes_without_a_socket_is_there() {
    let mut world = World::new();
    world.publish("host", 1);
    world.join("viewer", Role::Viewer);
    assert_eq!(world.pass(3 * GRACE), []);
    let publication = Publication(1);
    let effects = world.handle(Command::PublishStopped { publication });
    assert!(told_all(&effects).contains(&&ServerEvent::HostAway { grace_seconds: 60 }));
}

#[test]
fn there_is_one_host() {
    let mut world = World::new();
    world.join("first", Role::Host);
    let effects = world.join("second", Role::Host);
    assert_eq!(welcome(&effects).you.role, Role::Cohost);
    let effects = world.join("host", Role::Host);
    assert_eq!(welcome(&effects).you.role, Role::Host);
    assert_eq!(world.role("first"), Some(Role::Cohost));
}

#[test]
fn an_owner_who_publishes_is_host_again_whoever_took_over() {
    let mut world = World::new();
    world.join("host", Role::Host);
    world.handle(Command::Lose { user: user("host") });
    world.join("ann", Role::Host);
    assert_eq!(
        (world.role("host"), world.role("ann")),
        (Some(Role::Cohost), Some(Role::Host))
    );
    world.publish("host", 1);
    assert_eq!(
        (world.role("host"), world.role("ann")),
        (Some(Role::Host), Some(Role::Cohost))
    );
    // Whoever sends is there, WebSocket or not.
    world.join("bob", Role::Host);
    assert_eq!(
        (world.role("host"), world.role("bob")),
        (Some(Role::Host), Some(Role::Cohost))
    );
}

#[test]
fn hosts_who_come_and_go_do_not_fill_the_stage_without_end() {
    let mut world = World::new();
    let limit = SessionMode::Camera.guest_limit() as usize;
    for number in 0..limit {
        world.join(&format!("guest{number}"), Role::Guest);
    }
    for number in 0..5 {
        world.join("host", Role::Host);
        world.handle(Command::Lose { user: user("host") });
        world.join(&format!("host{number}"), Role::Host);
    }
    world.join("host", Role::Host);
    let on_stage = world.room.members.values().filter(|member| member.is_on_stage());
    // The host, and one who was host while there was room for no more.
    assert_eq!(on_stage.count(), limit + 2);
    assert_eq!(world.role("host"), Some(Role::Host));
}

#[test]
fn chat_goes_to_all_and_to_those_who_come_later() {
    let mut world = World::full_house();
    let effects = world.say("viewer", "  Grüße 👩‍👩‍👧‍👦 <b>&amp;</b>\u{202e}  ");
    let [
        ServerEvent::ChatMessage {
            message, message_id, ..
        },
    ] = told_all(&effects)[..]
    else {
        panic!("{effects:?}");
    };
    assert_eq!(message, "Grüße 👩‍👩‍👧‍👦 <b>&amp;</b>");
    assert_eq!(world.say("viewer", " \u{200b}\n "), []);
    let effects = world.say("viewer", &"x".repeat(501));
    assert_eq!(refusal("viewer", &effects).as_deref(), Some("too_long"));
    let message_id = message_id.clone();
    let effects = world.join("late", Role::Viewer);
    assert_eq!(welcome(&effects).chat_history.len(), 1);
    assert_eq!(welcome(&effects).chat_history[0].message_id, message_id);
    let effects = world.act("host", ClientMessage::DeleteMessage { message_id });
    assert!(matches!(told_all(&effects)[..], [ServerEvent::MessageDeleted { .. }]));
    let effects = world.join("later", Role::Viewer);
    assert_eq!(welcome(&effects).chat_history, []);
}

#[test]
fn the_last_two_hundred_messages_are_kept() {
    let mut world = World::full_house();
    for n in 0..250 {
        world.pass(Duration::from_secs(2));
        world.say("host", &format!("message {n}"));
    }
    let effects = world.join("late", Role::Viewer);
    let history = &welcome(&effects).chat_history;
    assert_eq!((history.len(), &history[0].message[..]), (200, "message 50"));
    // One that has left the history can still be taken off the pages.
    let effects = world.act(
        "host",
        ClientMessage::DeleteMessage {
            message_id: "m1".into(),
        },
    );
    assert_eq!(refusal("host", &effects), None);
    let effects = world.act(
        "host",
        ClientMessage::DeleteMessage {
            message_id: "m9999".into(),
        },
    );
    assert_eq!(refusal("host", &effects).as_deref(), Some("no_message"));
}

#[test]
fn too_much_chat_has_to_wait_and_slow_mode_spares_those_who_moderate() {
    let mut world = World::full_house();
    let refused = (0..20).filter_map(|_| refusal("viewer", &world.say("viewer", "x")));
    assert!(refused.collect::<Vec<_>>().iter().all(|code| code == "rate_limited"));
    world.act("host", ClientMessage::SlowMode { seconds: 30 });
    world.pass(Duration::from_secs(10));
    assert_eq!(refusal("viewer2", &world.say("viewer2", "one")), None);
    world.pass(Duration::from_secs(10));
    assert_eq!(
        refusal("viewer2", &world.say("viewer2", "two")).as_deref(),
        Some("slow_mode")
    );
    assert_eq!(refusal("cohost", &world.say("cohost", "one")), None);
    assert_eq!(refusal("cohost", &world.say("cohost", "two")), None);
    let effects = world.act("host", ClientMessage::SlowMode { seconds: 601 });
    assert_eq!(refusal("host", &effects).as_deref(), Some("bad_message"));
}

#[test]
fn in_a_mesh_signals_go_from_one_to_another_and_name_the_sender() {
    let mut world = World::with(RoomSettings {
        topology: Topology::Mesh,
        ..settings(SessionMode::Studio)
    });
    world.join("host", Role::Host);
    world.join("ann", Role::Viewer);
    world.join("bob", Role::Viewer);
    let signal = |to: &str| ClientMessage::WebrtcSignal {
        to_user_id: Some(user(to)),
        connection: None,
        signal_type: footlight_protocol::SignalType::Offer,
        signal_data: footlight_protocol::SignalData::Description(footlight_protocol::SessionDescription {
            sdp: "v=0".into(),
        }),
        sources: None,
    };
    let effects = world.act("host", signal("ann"));
    let [
        Effect::Tell {
            user: to,
            event:
                ServerEvent::WebrtcSignal {
                    from_user_id,
                    from_username,
                    ..
                },
        },
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    assert_eq!(to, &user("ann"));
    assert_eq!(
        (from_user_id, from_username.as_deref()),
        (&Some(user("host")), Some("HOST"))
    );
    assert_eq!(
        refusal("ann", &world.act("ann", signal("bob"))).as_deref(),
        Some("not_on_stage")
    );
    assert_eq!(
        refusal("ann", &world.act("ann", signal("zoe"))).as_deref(),
        Some("not_found")
    );
    let on = ClientMessage::UpdateMediaStatus {
        audio_enabled: true,
        video_enabled: false,
    };
    assert!(
        told_all(&world.act("host", on))
            .iter()
            .any(|e| matches!(e, ServerEvent::BroadcastStarted { .. }))
    );
    assert_eq!(
        world.room.may_publish(&user("host"), Role::Host),
        Err(PublishRefusal::Mesh)
    );
    let mut sfu = World::full_house();
    assert_eq!(
        refusal("host", &sfu.act("host", signal("guest"))).as_deref(),
        Some("not_a_mesh")
    );
}

#[test]
fn connection_quality_is_the_worse_of_two_and_told_now_and_then() {
    let mut world = World::full_house();
    let quality = |connection, level| Command::Quality {
        user: user("guest"),
        connection,
        level: Some(level),
    };
    assert_eq!(world.handle(quality(Connection::Publish, 4)), []);
    assert_eq!(world.handle(quality(Connection::Subscribe, 1)), []);
    let levels = std::collections::BTreeMap::from([(user("guest"), 1)]);
    let effects = world.pass(Duration::from_millis(250));
    assert_eq!(told_all(&effects), [&ServerEvent::ConnectionQuality { levels }]);
    let _ = world.handle(quality(Connection::Subscribe, 3));
    assert_eq!(world.pass(Duration::from_secs(1)), []);
    assert_eq!(world.pass(Duration::from_secs(1)).len(), 1);
}
