//! What is said.

use super::*;

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

fn at(address: u64, bearer: Option<u64>) -> Badges {
    Badges {
        address: Some(Badge(address)),
        bearer: bearer.map(Badge),
        ..Badges::default()
    }
}

/// Says one thing and goes; the refusal.
fn says(world: &mut World, name: &str) -> Option<String> {
    refusal(name, &world.say(name, "x"))
}

#[test]
fn a_new_connection_is_no_new_allowance() {
    for badges in [at(1, None), at(1, Some(7))] {
        for goes in [|user| Command::Leave { user }, |user| Command::Lose { user }] {
            let mut world = World::full_house();
            world.act("host", ClientMessage::SlowMode { seconds: 30 });
            world.join_with("ann", Role::Viewer, badges);
            assert_eq!(says(&mut world, "ann"), None);
            let _ = world.handle(goes(user("ann")));
            world.join_with("ann2", Role::Viewer, badges);
            assert_eq!(says(&mut world, "ann2").as_deref(), Some("slow_mode"));
            world.pass(Duration::from_secs(30));
            assert_eq!(says(&mut world, "ann2"), None);
        }
    }
}

#[test]
fn one_who_went_is_nobody_elses_burden_behind_the_same_address() {
    let mut world = World::full_house();
    world.act("host", ClientMessage::SlowMode { seconds: 30 });
    world.join_with("ann", Role::Viewer, at(1, None));
    assert_eq!(says(&mut world, "ann"), None);
    // Nobody has gone.
    world.join_with("bob", Role::Viewer, at(1, None));
    assert_eq!(says(&mut world, "bob"), None);
    let _ = world.handle(Command::Lose { user: user("ann") });
    let _ = world.handle(Command::Resume {
        user: user("ann"),
        resume_token: "ann.2".into(),
    });
    world.join_with("cleo", Role::Viewer, at(1, None));
    assert_eq!(says(&mut world, "cleo"), None, "ann came back for her own");
    let _ = world.handle(Command::Leave { user: user("bob") });
    for (name, badges) in [("dora", at(2, None)), ("eve", at(1, Some(7)))] {
        world.join_with(name, Role::Viewer, badges);
        assert_eq!(says(&mut world, name), None, "{name}");
    }
    for (name, refused) in [("fred", Some("slow_mode")), ("gina", None)] {
        world.join_with(name, Role::Viewer, at(1, None));
        assert_eq!(says(&mut world, name).as_deref(), refused, "{name}");
    }
}

#[test]
fn what_the_host_wrote_is_the_hosts_to_delete() {
    let mut world = World::full_house();
    world.say("host", "one");
    world.say("viewer", "two");
    let delete = |id: &str| ClientMessage::DeleteMessage { message_id: id.into() };
    let clear = |name: &str| ClientMessage::ClearMessages {
        target_user_id: user(name),
    };
    let refused = |world: &mut World, message| refusal("cohost", &world.act("cohost", message));
    assert_eq!(refused(&mut world, delete("m1")).as_deref(), Some("forbidden"));
    assert_eq!(refused(&mut world, clear("host")).as_deref(), Some("forbidden"));
    assert_eq!(refused(&mut world, delete("m2")), None);
    // Neither the host's absence nor time makes it anybody's.
    for n in 0..200 {
        world.pass(Duration::from_secs(2));
        world.say("viewer", &format!("message {n}"));
    }
    let _ = world.handle(Command::Leave { user: user("host") });
    assert_eq!(refused(&mut world, delete("m1")).as_deref(), Some("forbidden"));
    assert_eq!(refused(&mut world, clear("host")).as_deref(), Some("forbidden"));
    assert_eq!(refused(&mut world, clear("viewer")), None);
    world.join("host", Role::Host);
    assert_eq!(refusal("host", &world.act("host", delete("m1"))), None);
}
