//! Who comes on the stage.

use super::*;

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
fn a_full_room_takes_no_publisher_and_makes_nobody_its_host() {
    let mut world = World::with(RoomSettings {
        max_participants: 2,
        ..settings(SessionMode::Camera)
    });
    world.join("host", Role::Host);
    world.join("ann", Role::Viewer);
    let refused = world.publish_alone("bob", Role::Guest, 1);
    assert_eq!(refused, [Effect::ClosePublication(Publication(1))]);
    assert_eq!(world.room.role_of(&user("bob")), None);
    assert_eq!(world.room.publication(&user("bob")), None);
    let kick = world.moderate("host", "bob", ParticipantAction::Kick);
    assert_eq!(refusal("host", &kick).as_deref(), Some("not_found"));
}

#[test]
fn a_second_host_finds_no_place_on_a_full_stage_and_is_told_before() {
    let mut world = World::with(settings(SessionMode::Voice));
    world.join("host", Role::Host);
    for n in 0..SessionMode::Voice.guest_limit() {
        world.join(&format!("guest{n}"), Role::Guest);
    }
    let may_publish = world.room.may_publish(&user("bob"), Role::Host);
    assert_eq!(may_publish, Err(PublishRefusal::StageFull));
    let refused = world.publish_alone("bob", Role::Host, 1);
    assert_eq!(refused, [Effect::ClosePublication(Publication(1))]);
    assert_eq!(world.role("bob"), None);
}

/// What each of them is told while somebody sends 300 messages at once, as the socket lets through.
fn told_in_a_flood(world: &mut World, sender: &str, messages: &[ClientMessage], receivers: &[&str]) -> Vec<usize> {
    let mut counts = vec![0; receivers.len()];
    let mut refusals = 0;
    for message in messages.iter().cycle().take(300) {
        let effects = world.act(sender, message.clone());
        for (count, name) in counts.iter_mut().zip(receivers) {
            *count += told_all(&effects).len() + told(name, &effects).len();
        }
        refusals += usize::from(refusal(sender, &effects).as_deref() == Some("rate_limited"));
    }
    assert!(refusals > 0, "{sender} is not told");
    counts
}

#[test]
fn a_flood_of_one_is_no_flood_at_the_others() {
    let target_user_id = user("viewer2");
    let moderate = |action_type| ClientMessage::ParticipantAction {
        target_user_id: target_user_id.clone(),
        action_type,
    };
    let status = |audio_enabled| ClientMessage::UpdateMediaStatus {
        audio_enabled,
        video_enabled: false,
    };
    let slow_mode = |seconds| ClientMessage::SlowMode { seconds };
    let floods = [
        ("viewer", [ClientMessage::RequestGuest, ClientMessage::WithdrawRequest]),
        ("guest", [status(true), status(false)]),
        ("cohost", [slow_mode(1), slow_mode(2)]),
        (
            "cohost",
            [
                moderate(ParticipantAction::Promote),
                moderate(ParticipantAction::Demote),
            ],
        ),
        ("host", [ClientMessage::StartBroadcast, ClientMessage::StopBroadcast]),
    ];
    for (sender, messages) in floods {
        let mut world = World::full_house();
        let receivers =
            ["host", "cohost", "guest2", "viewer2"].map(|name| if name == sender { "viewer" } else { name });
        let counts = told_in_a_flood(&mut world, sender, &messages, &receivers);
        let most = counts.iter().max().copied().unwrap_or(0);
        assert!((1..=70).contains(&most), "{sender} {messages:?}: {counts:?}");
        // Afterwards it is as before.
        world.pass(Duration::from_mins(1));
        assert_eq!(refusal(sender, &world.act(sender, messages[0].clone())), None);
    }
}

#[test]
fn turning_off_is_possible_at_any_time() {
    let mut world = World::full_house();
    let status = |audio_enabled| ClientMessage::UpdateMediaStatus {
        audio_enabled,
        video_enabled: false,
    };
    while refusal("guest", &world.act("guest", status(true))).is_none() {
        assert_eq!(refusal("guest", &world.act("guest", status(false))), None);
    }
    assert!(!world.room.members[&user("guest")].audio_enabled);
}
