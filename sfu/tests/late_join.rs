//! Somebody who comes when the show is on sees a picture at once, from a keyframe that the joining asked for.

mod world;

use std::time::Duration;

use footlight_sfu::Direction;
use str0m::media::MediaKind;
use world::{IDR, Offer, SLICE, World};

#[test]
fn the_first_picture_of_a_late_viewer_is_a_keyframe_it_asked_for() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_secs(2));
    assert_eq!(world.clients[publisher].asked.len(), 0, "nobody watches");

    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    let joined = world.now;
    world.run_live(&[publisher], Duration::from_secs(2));

    let asked = &world.clients[publisher].asked;
    assert_eq!(asked.len(), 1, "one request for one viewer");
    assert!(asked[0] <= joined + Duration::from_millis(5));
    let pictures = world.clients[viewer].pictures();
    assert_eq!(pictures[0], IDR);
    assert!(pictures.len() > 50 && pictures[1..].iter().all(|first| *first == SLICE));
    assert!(world.clients[viewer].of_kind(MediaKind::Audio).len() > 80);
}

#[test]
fn whoever_waits_before_the_show_sees_it_begin() {
    let mut world = World::new(1);
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.run(Duration::from_secs(1));
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_secs(1));
    assert_eq!(world.clients[viewer].pictures()[0], IDR);
    assert!(world.clients[viewer].pictures().len() > 25);
}

#[test]
fn another_session_hears_nothing_of_it() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    let stranger = world.connect(0, "elsewhere", "guest", &Offer::subscribe());
    world.run_live(&[publisher], Duration::from_secs(1));
    assert!(world.clients[stranger].received.is_empty());
}

#[test]
fn the_answer_puts_sound_and_picture_into_one_stream_and_is_ice_lite() {
    let mut world = World::new(1);
    let offer = Offer {
        direction: Direction::Subscribe,
        ..Offer::subscribe()
    };
    let viewer = world.join(0, "show", "guest", &offer);
    let answer = &world.clients[viewer].answer;
    let streams: Vec<_> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("a=msid:")?.split(' ').next())
        .collect();
    assert_eq!(streams, ["slot-0", "slot-0"]);
    assert!(answer.contains("a=ice-lite") && answer.contains("a=setup:passive"));
}

#[test]
fn only_who_has_streams_for_it_is_told_to_ask_for_what_is_lost() {
    let mut world = World::new(1);
    for (offer, is_told) in [(Offer::subscribe(), true), (Offer::subscribe().without_repair(), false)] {
        let viewer = world.join(0, "show", "guest", &offer);
        let answer = &world.clients[viewer].answer;
        assert_eq!(answer.lines().any(|line| line.ends_with(" nack")), is_told, "{answer}");
        assert!(answer.lines().any(|line| line.ends_with(" nack pli")), "{answer}");
    }
    let publisher = world.join(0, "show", "host", &Offer::publish().without_repair());
    let answer = &world.clients[publisher].answer;
    assert!(answer.lines().any(|line| line.ends_with(" nack")), "{answer}");
}
