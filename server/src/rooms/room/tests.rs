//! What happens in a session, rule by rule.

use super::*;

const IDLE: Duration = Duration::from_hours(1);

fn user(name: &str) -> UserId {
    name.parse().expect("a user id")
}

fn room(now: Now) -> Room {
    let settings = RoomSettings {
        id: "show".parse().expect("a session id"),
        title: "A show".into(),
        mode: SessionMode::Camera,
        visibility: Visibility::Public,
        host: user("host"),
        idle_limit: IDLE,
        max_participants: 3,
    };
    Room::new(settings, now)
}

fn join(room: &mut Room, name: &str, role: Role, now: Now) -> Vec<Effect> {
    let username = name.to_owned();
    room.handle(
        Command::Join {
            user: user(name),
            username,
            role,
        },
        now,
    )
}

fn on_air(room: &mut Room, publication: u64, now: Now) {
    let publication = Publication(publication);
    let _ = room.handle(
        Command::Publish {
            publication,
            username: None,
        },
        now,
    );
    let _ = room.handle(Command::MediaStarted { publication }, now);
}

fn later(now: Now, by: Duration) -> Now {
    Now {
        instant: now.instant + by,
        wall: now.wall + by,
    }
}

#[test]
fn who_joins_hears_who_is_there_and_the_others_hear_of_it() {
    let now = Now::read();
    let mut room = room(now);
    let _ = join(&mut room, "ann", Role::Viewer, now);
    let effects = join(&mut room, "bob", Role::Viewer, now);
    let [
        Effect::Tell { user: to, event },
        Effect::TellAll { except, event: joined },
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    assert_eq!((to, except), (&user("bob"), &Some(user("bob"))));
    assert!(
        matches!(event, ServerEvent::CurrentParticipants { viewer_count: 2, participants, .. } if participants.len() == 2)
    );
    assert!(matches!(joined, ServerEvent::UserJoined { viewer_count: 2, .. }));
}

#[test]
fn the_host_is_no_viewer() {
    let now = Now::read();
    let mut room = room(now);
    let _ = join(&mut room, "host", Role::Host, now);
    assert_eq!((room.viewer_count(), room.participant_count()), (0, 1));
}

#[test]
fn a_second_connection_of_the_same_user_is_no_second_participant() {
    let now = Now::read();
    let mut room = room(now);
    let _ = join(&mut room, "ann", Role::Viewer, now);
    let effects = join(&mut room, "ann", Role::Viewer, now);
    assert_eq!(effects.len(), 1, "{effects:?}");
    assert_eq!(room.viewer_count(), 1);
}

#[test]
fn it_is_on_air_from_the_first_media_and_not_from_the_connection() {
    let now = Now::read();
    let mut room = room(now);
    let publication = Publication(1);
    let publish = Command::Publish {
        publication,
        username: Some("Ann".into()),
    };
    assert_eq!(room.handle(publish, now), []);
    assert_eq!(room.summary(), None);
    let effects = room.handle(Command::MediaStarted { publication }, now);
    assert!(
        matches!(&effects[..], [Effect::TellAll { event: ServerEvent::BroadcastStarted { username, .. }, .. }] if username == "Ann")
    );
    assert_eq!(room.summary().expect("listed").broadcasters[0].username, "Ann");
}

#[test]
fn a_publisher_that_comes_back_replaces_its_older_connection_without_going_off_air() {
    let now = Now::read();
    let mut room = room(now);
    on_air(&mut room, 1, now);
    let again = Command::Publish {
        publication: Publication(2),
        username: None,
    };
    assert_eq!(room.handle(again, now), [Effect::ClosePublication(Publication(1))]);
    let stopped = Command::PublishStopped {
        publication: Publication(1),
    };
    assert_eq!(room.handle(stopped, now), []);
    let started = Command::MediaStarted {
        publication: Publication(2),
    };
    assert_eq!(room.handle(started, now), []);
    assert_eq!(room.on_air_since(), Some(now.wall));
}

#[test]
fn viewers_hear_that_the_publisher_is_gone_and_the_session_stays() {
    let now = Now::read();
    let mut room = room(now);
    on_air(&mut room, 1, now);
    let stopped = Command::PublishStopped {
        publication: Publication(1),
    };
    let effects = room.handle(stopped, now);
    assert!(matches!(
        &effects[..],
        [Effect::TellAll {
            event: ServerEvent::BroadcastStopped { .. },
            ..
        }]
    ));
    assert!(!room.is_over());
    assert_eq!(room.may_publish_anonymously(), Ok(()));
}

#[test]
fn one_anonymous_publisher_at_a_time() {
    let now = Now::read();
    let mut room = room(now);
    on_air(&mut room, 1, now);
    assert_eq!(room.may_publish_anonymously(), Err(PublishRefusal::OnAir));
}

#[test]
fn an_empty_session_lives_for_its_idle_time_after_the_last_activity() {
    let now = Now::read();
    let mut room = room(now);
    let _ = join(&mut room, "ann", Role::Viewer, now);
    assert_eq!(room.handle(Command::Tick, later(now, 2 * IDLE)), []);
    let left_at = later(now, 2 * IDLE);
    let _ = room.handle(Command::Leave { user: user("ann") }, left_at);
    assert_eq!(room.handle(Command::Tick, later(left_at, Duration::from_mins(59))), []);
    let effects = room.handle(Command::Tick, later(left_at, IDLE));
    assert_eq!(effects.last(), Some(&Effect::Over));
}

#[test]
fn ending_tells_everybody_closes_the_publisher_and_is_final() {
    let now = Now::read();
    let mut room = room(now);
    on_air(&mut room, 7, now);
    let end = Command::End {
        reason: EndReason::EndedByHost,
    };
    let effects = room.handle(end, now);
    assert_eq!(effects.len(), 3);
    assert_eq!(effects[1..], [Effect::ClosePublication(Publication(7)), Effect::Over]);
    assert_eq!(join(&mut room, "ann", Role::Viewer, now), []);
}

#[test]
fn it_is_full_at_its_limit() {
    let now = Now::read();
    let mut room = room(now);
    for name in ["a", "b", "c"] {
        assert!(!room.is_full());
        let _ = join(&mut room, name, Role::Viewer, now);
    }
    assert!(room.is_full());
}

#[test]
fn a_crowd_is_listed_in_part_and_counted_in_full() {
    let now = Now::read();
    let mut room = room(now);
    for n in 0..200 {
        let _ = join(&mut room, &format!("v{n:03}"), Role::Viewer, now);
    }
    let effects = join(&mut room, "host", Role::Host, now);
    let Effect::Tell {
        event:
            ServerEvent::CurrentParticipants {
                participants,
                viewer_count,
                ..
            },
        ..
    } = &effects[0]
    else {
        panic!("{effects:?}");
    };
    assert_eq!((participants.len(), *viewer_count), (LISTED_PARTICIPANTS, 200));
}
