//! The host, and who follows one.

use super::*;

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
