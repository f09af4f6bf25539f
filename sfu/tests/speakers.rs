//! Who speaks, by the audio levels in the packets.

mod world;

use std::time::{Duration, Instant};

use footlight_sfu::{MediaKind, SfuEvent};
use world::{Offer, TICK, World};

const QUIET: i8 = -90;
const SPEECH: i8 = -30;

/// What was told about who speaks since `from`: `+` or `-` and the name.
fn told(world: &World, from: usize) -> Vec<String> {
    let told = world.events[from..].iter().filter_map(|event| match event {
        SfuEvent::Speaking { user, .. } => Some(format!("+{user}")),
        SfuEvent::Silent { user, .. } => Some(format!("-{user}")),
        _ => None,
    });
    told.collect()
}

fn publisher(world: &mut World, user: &str) -> usize {
    world.connect(0, "show", user, &Offer::publish())
}

#[test]
fn who_speaks_is_told_when_it_begins_and_when_it_ends() {
    let mut world = World::new(1);
    let anna = publisher(&mut world, "anna");
    let bert = publisher(&mut world, "bert");
    world.run_room(&[anna, bert], QUIET, Duration::from_secs(1));
    assert!(told(&world, 0).is_empty());

    let second = Duration::from_secs(1);
    let end = world.now + second;
    while world.now < end {
        // Both at their own level.
        world.run_room(&[anna], SPEECH, TICK);
        world.run_room(&[bert], QUIET, Duration::ZERO);
    }
    assert_eq!(told(&world, 0), ["+anna"]);
    let level = world.events.iter().find_map(|event| match event {
        SfuEvent::Speaking {
            peer, session, level, ..
        } => {
            assert_eq!((*peer, session.as_str()), (world.clients[anna].peer, "show"));
            Some(*level)
        }
        _ => None,
    });
    assert!(level.is_some_and(|level| (-36..=-29).contains(&level)), "{level:?}");
    world.run_room(&[anna], SPEECH, 5 * second);
    assert_eq!(told(&world, 0), ["+anna"], "no news, nothing told");
    world.run_room(&[anna], QUIET, second);
    assert_eq!(told(&world, 0), ["+anna", "-anna"]);
}

#[test]
fn a_microphone_whose_packets_stop_is_silent_by_the_timer_alone() {
    let mut world = World::new(1);
    let anna = publisher(&mut world, "anna");
    world.run_room(&[anna], SPEECH, Duration::from_secs(1));
    let last = world.now;
    world.clients[anna].is_cut = true;
    let mut at: Option<Instant> = None;
    while at.is_none() && world.now < last + Duration::from_secs(2) {
        let now = world.now;
        // Nothing but what the core asks for.
        world.now = world.workers[0].poll_timeout().expect("a timer").max(now);
        let now = world.now;
        world.workers[0].handle_timeout(now);
        world.settle();
        at = (told(&world, 0) == ["+anna", "-anna"]).then_some(now);
    }
    let after = at.expect("silent").duration_since(last);
    assert!((500..=700).contains(&after.as_millis()), "{after:?}");
}

#[test]
fn the_muted_do_not_speak() {
    let mut world = World::new(1);
    let anna = publisher(&mut world, "anna");
    world.run_room(&[anna], SPEECH, Duration::from_secs(1));
    let (peer, now) = (world.clients[anna].peer, world.now);
    world.workers[0]
        .set_muted(peer, MediaKind::Audio, true, now)
        .expect("a publisher");
    world.settle();
    assert_eq!(told(&world, 0), ["+anna", "-anna"], "at once");
    world.run_room(&[anna], SPEECH, Duration::from_secs(3));
    assert_eq!(told(&world, 0).len(), 2);
    let now = world.now;
    world.workers[0]
        .set_muted(peer, MediaKind::Audio, false, now)
        .expect("a publisher");
    world.run_room(&[anna], SPEECH, Duration::from_secs(1));
    assert_eq!(told(&world, 0), ["+anna", "-anna", "+anna"]);
}

#[test]
fn whoever_leaves_while_speaking_falls_silent() {
    let mut world = World::new(1);
    let anna = publisher(&mut world, "anna");
    world.run_room(&[anna], SPEECH, Duration::from_secs(1));
    world.close(anna);
    assert_eq!(told(&world, 0), ["+anna", "-anna"]);
}

#[test]
fn the_sound_of_a_screen_makes_no_speaker() {
    let mut world = World::new(1);
    let anna = world.connect(0, "show", "anna", &Offer::publish().slots(2, 1));
    let end = world.now + Duration::from_secs(3);
    while world.now < end {
        world.run(Duration::from_millis(20));
        world.send_own(anna, 0, QUIET);
        world.send_own(anna, 1, SPEECH);
    }
    assert!(told(&world, 0).is_empty());
}

#[test]
fn a_room_in_uproar_is_told_a_few_times_a_second() {
    let mut world = World::new(1);
    let all: Vec<_> = (0..8).map(|n| publisher(&mut world, &format!("u{n}"))).collect();
    let mut rounds: Vec<Instant> = Vec::new();
    let mut seen = world.events.len();
    let start = world.now;
    // Each speaks for a second and is quiet for one, all at different times.
    while world.now < start + Duration::from_secs(6) {
        let elapsed = (world.now - start).as_millis() as usize;
        for (number, client) in all.iter().enumerate() {
            if elapsed.is_multiple_of(20) {
                let speaks = ((elapsed + number * 250) / 1_000).is_multiple_of(2);
                world.send_own(*client, 0, if speaks { SPEECH } else { QUIET });
            }
        }
        world.tick();
        if !told(&world, seen).is_empty() {
            rounds.push(world.now);
        }
        seen = world.events.len();
    }
    assert!(rounds.len() > 8, "{}", rounds.len());
    let interval = Duration::from_millis(300);
    assert!(
        rounds.windows(2).all(|pair| pair[1] - pair[0] >= interval),
        "{rounds:?}"
    );
    world.run(Duration::from_secs(2));
    for number in 0..8 {
        let mut of_user = told(&world, 0);
        of_user.retain(|told| told[1..] == format!("u{number}"));
        let alternates = of_user
            .iter()
            .enumerate()
            .all(|(n, told)| told.starts_with(['+', '-'][n % 2]));
        assert!(alternates && of_user.len().is_multiple_of(2), "{of_user:?}");
    }
}
