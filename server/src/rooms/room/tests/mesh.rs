//! Signals from browser to browser.

use super::*;

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
fn in_a_mesh_nobody_is_flooded_with_signals_and_everybody_can_be_called() {
    let mut world = World::with(RoomSettings {
        topology: Topology::Mesh,
        ..settings(SessionMode::Studio)
    });
    world.join("host", Role::Host);
    let candidate = |to: &str| ClientMessage::WebrtcSignal {
        to_user_id: Some(user(to)),
        connection: None,
        signal_type: footlight_protocol::SignalType::Offer,
        signal_data: footlight_protocol::SignalData::Description(footlight_protocol::SessionDescription {
            sdp: "v=0".into(),
        }),
        sources: None,
    };
    let others: Vec<_> = (0..19).map(|n| format!("v{n}")).collect();
    for name in &others {
        world.join(name, Role::Viewer);
    }
    // An offer and a dozen candidates for each, as a page does that comes in.
    for name in &others {
        for _ in 0..13 {
            assert_eq!(refusal("host", &world.act("host", candidate(name))), None, "{name}");
        }
    }
    let passed = (0..300).filter(|_| !told("v0", &world.act("host", candidate("v0"))).is_empty());
    assert_eq!(passed.count() + 13, 60);
    let refused = world.act("host", candidate("v0"));
    assert_eq!(refusal("host", &refused).as_deref(), Some("rate_limited"));
}
