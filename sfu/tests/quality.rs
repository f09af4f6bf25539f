//! How well peers are connected, as they are told.

mod world;

use std::time::Duration;

use footlight_sfu::{PeerId, SfuEvent};
use world::{Offer, World};

fn levels(world: &World, peer: PeerId) -> Vec<u8> {
    let of_peer = world.events.iter().filter_map(|event| match event {
        SfuEvent::Quality { peer: p, level, .. } if *p == peer => Some(*level),
        _ => None,
    });
    of_peer.collect()
}

#[test]
fn a_line_that_loses_packets_is_told_from_one_that_does_not() {
    let mut world = World::new(1);
    let anna = world.connect(0, "show", "anna", &Offer::publish());
    let bert = world.connect(0, "show", "bert", &Offer::publish());
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe().slots(2, 2));
    world.run_live(&[anna, bert], Duration::from_secs(5));
    for client in [anna, bert, viewer] {
        let peer = world.clients[client].peer;
        assert_eq!(levels(&world, peer), [4], "client {client}");
    }
    world.clients[bert].loses_every = Some(4);
    world.run_live(&[anna, bert], Duration::from_secs(10));
    let peers = [anna, bert].map(|client| world.clients[client].peer);
    assert_eq!(levels(&world, peers[0]), [4]);
    let fallen = levels(&world, peers[1]);
    assert!(fallen.last().is_some_and(|level| *level <= 2), "{fallen:?}");
    world.clients[bert].loses_every = None;
    world.run_live(&[anna, bert], Duration::from_secs(20));
    assert_eq!(levels(&world, peers[1]).last(), Some(&4));
}

#[test]
fn a_peer_that_is_not_heard_has_no_bar_before_it_is_given_up() {
    let mut world = World::new(1);
    let anna = world.connect(0, "show", "anna", &Offer::publish());
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    world.run_live(&[anna], Duration::from_secs(5));
    let peers = [anna, viewer].map(|client| world.clients[client].peer);
    world.clients[viewer].is_cut = true;
    world.clients[anna].is_cut = true;
    world.run_live(&[anna], Duration::from_secs(9));
    for peer in peers {
        assert_eq!(levels(&world, peer), [4, 0]);
        let is_closed = |event: &SfuEvent| matches!(event, SfuEvent::Closed { peer: p, .. } if *p == peer);
        assert!(!world.events.iter().any(is_closed));
    }
}

#[test]
fn the_round_trip_to_a_publisher_stays_known() {
    let mut world = World::new(1);
    let anna = world.connect(0, "show", "anna", &Offer::publish());
    world.run_live(&[anna], Duration::from_secs(4));
    for _ in 0..5 {
        world.run_live(&[anna], Duration::from_secs(1));
        for track in world.workers[0].track_stats(&"show".into(), world.now) {
            let ingest = track.ingest.expect("published here");
            assert!(ingest.round_trip.is_some(), "{ingest:?}");
            assert!(ingest.jitter < Duration::from_millis(20), "{ingest:?}");
        }
    }
}
