//! Mutes, and being sent away.

use super::*;

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
        bearer: None,
    };
    let neighbour = Badges {
        visitor: Some(Badge(8)),
        address: Some(Badge(1)),
        bearer: None,
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
fn a_player_who_is_sent_away_is_known_by_the_token_under_any_name() {
    let bearer = Badges {
        bearer: Some(Badge(9)),
        ..Badges::default()
    };
    let mut world = World::full_house();
    world.join_with("player", Role::Viewer, bearer);
    world.moderate("host", "player", ParticipantAction::Kick);
    let known_as = user("ada");
    let may_watch = |badges, is_preview| world.room.may_watch(&known_as, Role::Viewer, badges, is_preview);
    for is_preview in [false, true] {
        assert_eq!(may_watch(bearer, is_preview), Err(JoinRefusal::Barred));
        assert_eq!(may_watch(Badges::default(), is_preview), Ok(()));
    }
    let kicked = user("player");
    let refused = world.room.may_watch(&kicked, Role::Viewer, Badges::default(), true);
    assert_eq!(refused, Err(JoinRefusal::Barred));
}

#[test]
fn going_out_and_in_again_undoes_no_mute() {
    let mut world = World::full_house();
    world.moderate("host", "guest", ParticipantAction::MuteAudio);
    let _ = world.handle(Command::Leave { user: user("guest") });
    assert!(world.room.muted(&user("guest")).audio, "before the offer is taken");
    let effects = world.join("guest", Role::Guest);
    assert!(welcome(&effects).you.audio_muted);
    let on = ClientMessage::UpdateMediaStatus {
        audio_enabled: true,
        video_enabled: false,
    };
    assert_eq!(
        refusal("guest", &world.act("guest", on.clone())).as_deref(),
        Some("muted_by_host")
    );
    world.moderate("host", "guest", ParticipantAction::UnmuteAudio);
    let _ = world.handle(Command::Leave { user: user("guest") });
    world.join("guest", Role::Guest);
    assert_eq!(refusal("guest", &world.act("guest", on)), None);
}

#[test]
fn a_publisher_without_a_socket_that_comes_anew_is_muted_still() {
    let mut world = World::full_house();
    world.publish_alone("obs", Role::Guest, 1);
    world.moderate("host", "obs", ParticipantAction::MuteVideo);
    let publication = Publication(1);
    let _ = world.handle(Command::PublishStopped { publication });
    assert_eq!(world.role("obs"), None);
    world.publish_alone("obs", Role::Guest, 2);
    assert!(world.room.muted(&user("obs")).video);
}

#[test]
fn going_out_and_in_again_gives_no_role_back() {
    let mut world = World::full_house();
    world.moderate("host", "cohost", ParticipantAction::Demote);
    let comes_back = |world: &mut World| {
        let _ = world.handle(Command::Leave { user: user("cohost") });
        welcome(&world.join("cohost", Role::Cohost)).you.role
    };
    assert_eq!(comes_back(&mut world), Role::Guest);
    world.moderate("host", "cohost", ParticipantAction::Demote);
    assert_eq!(comes_back(&mut world), Role::Viewer);
    // Until it is given back by those who may.
    world.moderate("host", "cohost", ParticipantAction::Promote);
    world.moderate("host", "cohost", ParticipantAction::Promote);
    assert_eq!(comes_back(&mut world), Role::Cohost);
}

#[test]
fn a_publisher_without_a_socket_who_is_no_guest_any_more_is_gone() {
    let mut world = World::full_house();
    let before = world.room.participant_count();
    world.publish_alone("obs", Role::Guest, 1);
    let effects = world.moderate("host", "obs", ParticipantAction::Demote);
    assert!(effects.contains(&Effect::ClosePublication(Publication(1))));
    assert!(effects.contains(&Effect::Disconnect(user("obs"))));
    assert_eq!((world.role("obs"), world.room.participant_count()), (None, before));
    let again = world.room.may_publish(&user("obs"), Role::Guest);
    assert_eq!(again, Err(PublishRefusal::NotOnStage));
}
