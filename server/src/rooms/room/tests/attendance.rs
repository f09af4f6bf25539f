//! Who is there, and what they are told of it.

use super::*;

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
