//! Coming back after a loss.

use super::*;

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
    // Whatever it watches by as well.
    assert!(effects.contains(&Effect::Disconnect(user("guest"))));
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
fn a_place_that_was_given_up_is_gone_where_the_room_is_full() {
    let mut world = World::with(RoomSettings {
        max_participants: 2,
        ..settings(SessionMode::Camera)
    });
    world.join("ann", Role::Viewer);
    world.join("bob", Role::Viewer);
    let _ = world.handle(Command::Leave { user: user("bob") });
    let may_resume = |world: &World| world.room.may_resume(&user("bob"), |token| token == "bob.1", world.now);
    assert!(may_resume(&world));
    world.join("cleo", Role::Viewer);
    assert!(!may_resume(&world));
    // A lost connection still has its place.
    let _ = world.handle(Command::Lose { user: user("cleo") });
    assert!(
        world
            .room
            .may_resume(&user("cleo"), |token| token == "cleo.1", world.now)
    );
}
