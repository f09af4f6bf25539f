//! Going on air, going off air, and the end.

use super::*;

#[test]
fn it_is_on_air_from_the_first_media_and_not_from_the_connection() {
    let mut world = World::new();
    let publication = Publication(1);
    let publish = Command::Publish {
        publication,
        user: user("host"),
        username: Some("Ann".into()),
        role: Role::Host,
        badges: Badges::default(),
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
fn ending_tells_everybody_closes_the_publishers_and_is_final() {
    let mut world = World::full_house();
    world.publish("host", 7);
    world.publish("guest", 8);
    assert!(world.room.summary().is_some());
    let effects = world.act("host", ClientMessage::EndSession);
    assert_eq!(world.room.summary(), None, "from the moment on at which it is told");
    let reason = EndReason::EndedByHost;
    assert_eq!(told_all(&effects), [&ServerEvent::SessionEnded { reason }]);
    assert!(effects.contains(&Effect::ClosePublication(Publication(7))));
    assert!(effects.contains(&Effect::ClosePublication(Publication(8))));
    assert_eq!(effects.last(), Some(&Effect::Over));
    assert_eq!(world.join("ann", Role::Viewer), []);
}
