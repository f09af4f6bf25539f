//! What is shown where, and that a slot stays one line whoever is shown in it.

mod world;

use std::time::Duration;

use footlight_sfu::{CloseReason, MediaKind, SfuEvent};
use str0m::format::Codec;
use world::{IDR, Offer, World};

fn assignments(world: &World, client: usize, kind: MediaKind) -> Vec<Option<String>> {
    let peer = world.clients[client].peer;
    let of_client = world.events.iter().filter_map(|event| match event {
        SfuEvent::SlotAssigned {
            peer: p, user, kind: k, ..
        } if *p == peer && *k == kind => Some(user),
        _ => None,
    });
    of_client
        .map(|user| user.as_ref().map(|user| user.as_str().to_owned()))
        .collect()
}

fn one_line(numbers: &[u64]) -> bool {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

#[test]
fn publishers_take_the_slots_in_order_and_the_next_in_line_moves_up() {
    let mut world = World::new(1);
    let first = world.connect(0, "show", "anna", &Offer::publish());
    world.run_live(&[first], Duration::from_millis(100));
    let second = world.connect(0, "show", "bert", &Offer::publish());
    world.run_live(&[first, second], Duration::from_millis(100));
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.run_live(&[first, second], Duration::from_millis(500));
    assert_eq!(assignments(&world, viewer, MediaKind::Video), [Some("anna".into())]);

    world.close(first);
    world.run_live(&[second], Duration::from_secs(1));
    assert_eq!(
        assignments(&world, viewer, MediaKind::Video),
        [Some("anna".into()), Some("bert".into())]
    );
    let video = world.clients[viewer].of_kind(MediaKind::Video);
    assert!(video.windows(2).all(|pair| pair[0].header.ssrc == pair[1].header.ssrc));
    assert!(one_line(&world.clients[viewer].sequence_numbers()));
    let keyframes = world.clients[viewer].keyframes();
    assert_eq!(keyframes, 2, "each of the two starts with one");

    world.close(second);
    assert_eq!(assignments(&world, viewer, MediaKind::Video).last(), Some(&None));
}

#[test]
fn a_publisher_that_reconnects_keeps_its_slots_and_their_line() {
    for (old_worker, new_worker) in [(0, 0), (0, 1)] {
        let mut world = World::new(2);
        let old = world.connect(old_worker, "show", "host", &Offer::publish());
        world.run_live(&[old], Duration::from_millis(100));
        let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
        world.run_live(&[old], Duration::from_millis(700));

        // The network is gone; a new connection comes before the old one is noticed to be dead.
        world.clients[old].is_cut = true;
        world.run(Duration::from_millis(300));
        let new = world.connect(new_worker, "show", "host", &Offer::publish());
        world.run_live(&[new], Duration::from_secs(1));

        assert_eq!(assignments(&world, viewer, MediaKind::Video), [Some("host".into())]);
        assert_eq!(assignments(&world, viewer, MediaKind::Audio), [Some("host".into())]);
        let peer = world.clients[old].peer;
        let reason = CloseReason::Replaced;
        assert!(world.events.contains(&SfuEvent::Closed { peer, reason }));
        assert!(one_line(&world.clients[viewer].sequence_numbers()));
        let times: Vec<_> = world.clients[viewer]
            .of_kind(MediaKind::Video)
            .iter()
            .map(|p| p.header.timestamp)
            .collect();
        assert!(
            times
                .windows(2)
                .all(|pair| pair[1] > pair[0] && pair[1] - pair[0] < 2 * 90_000),
            "{times:?}"
        );
        assert!(world.clients[viewer].pictures().len() > 45);
    }
}

#[test]
fn slots_are_kept_while_the_successor_is_still_connecting() {
    let mut world = World::new(1);
    let old = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[old], Duration::from_millis(100));
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.run_live(&[old], Duration::from_millis(200));
    let new = world.join(0, "show", "host", &Offer::publish());
    world.close(old);
    world.run_live(&[new], Duration::from_secs(2));
    assert_eq!(assignments(&world, viewer, MediaKind::Video), [Some("host".into())]);
    let replaced = |event: &SfuEvent| matches!(event, SfuEvent::TrackStopped { replaced: true, .. });
    assert_eq!(world.events.iter().filter(|event| replaced(event)).count(), 2);
}

#[test]
fn a_viewer_without_the_codec_is_told_and_gets_the_sound() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(100));
    let viewer = world.connect(
        0,
        "show",
        "guest",
        &Offer::subscribe().codecs(&[Codec::Vp8, Codec::Opus]),
    );
    world.run_live(&[publisher], Duration::from_secs(1));
    let peer = world.clients[viewer].peer;
    let told =
        |event: &SfuEvent| matches!(event, SfuEvent::CodecUnsupported { peer: p, codec: "H264", .. } if *p == peer);
    assert_eq!(world.events.iter().filter(|event| told(event)).count(), 1);
    assert!(world.clients[viewer].pictures().is_empty());
    assert!(world.clients[viewer].of_kind(MediaKind::Audio).len() > 30);
    assert!(
        world.clients[publisher].asked.is_empty(),
        "a keyframe that nobody can show"
    );
}

#[test]
fn a_viewer_whose_transport_is_full_gets_sound_and_then_a_fresh_start() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(100));
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.run_live(&[publisher], Duration::from_secs(1));

    let (address, now) = (world.clients[viewer].address, world.now);
    world.workers[0].set_congested(footlight_sfu::Protocol::Udp, address, true, now);
    world.clients[viewer].received.clear();
    world.run_live(&[publisher], Duration::from_secs(1));
    assert!(world.clients[viewer].pictures().is_empty());
    assert!(world.clients[viewer].of_kind(MediaKind::Audio).len() > 40);

    let now = world.now;
    world.workers[0].set_congested(footlight_sfu::Protocol::Udp, address, false, now);
    world.run_live(&[publisher], Duration::from_secs(1));
    assert_eq!(world.clients[viewer].pictures()[0], IDR);
    assert!(
        one_line(&world.clients[viewer].sequence_numbers()),
        "what was left out leaves no gap"
    );
}
