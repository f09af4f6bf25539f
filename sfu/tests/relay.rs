//! Several workers: a track crosses once per worker, and every worker's peers see every session.

mod world;

use std::time::Duration;

use footlight_sfu::{Protocol, Routed, WorkerId};
use str0m::media::MediaKind;
use world::{IDR, Offer, World, server_address};

#[test]
fn a_packet_crosses_once_for_all_viewers_of_a_worker() {
    let mut world = World::new(3);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(100));
    assert_eq!(world.crossed, 0, "nobody watches elsewhere");
    let viewers: Vec<_> = (0..4)
        .map(|n| world.connect(1, "show", &format!("v{n}"), &Offer::subscribe()))
        .collect();
    world.run_live(&[publisher], Duration::from_millis(600));

    world.crossed = 0;
    let before = world.clients[publisher].sent;
    world.run_live(&[publisher], Duration::from_secs(1));
    let sent = world.clients[publisher].sent - before;
    assert_eq!(world.crossed, sent);
    for viewer in viewers {
        assert_eq!(world.clients[viewer].pictures()[0], IDR);
        assert!(world.clients[viewer].of_kind(MediaKind::Audio).len() > 50);
    }
}

#[test]
fn nothing_crosses_when_the_last_viewer_has_gone() {
    let mut world = World::new(2);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(100));
    let viewer = world.connect(1, "show", "a", &Offer::subscribe());
    world.run_live(&[publisher], Duration::from_millis(500));
    world.close(viewer);
    world.crossed = 0;
    world.run_live(&[publisher], Duration::from_millis(500));
    assert_eq!(world.crossed, 0);
}

#[test]
fn a_request_from_another_worker_reaches_the_publisher() {
    let mut world = World::new(2);
    let publisher = world.connect(1, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(100));
    let viewer = world.connect(0, "show", "a", &Offer::subscribe());
    world.run_live(&[publisher], Duration::from_millis(300));
    assert_eq!(world.clients[publisher].asked.len(), 1);
    assert_eq!(world.clients[viewer].pictures()[0], IDR);
}

#[test]
fn a_client_whose_datagrams_come_to_the_wrong_worker_is_served_all_the_same() {
    let mut world = World::new(2);
    let publisher = world.join(0, "show", "host", &Offer::publish());
    world.clients[publisher].worker = 1;
    let viewer = world.connect(1, "show", "a", &Offer::subscribe());
    world.run(Duration::from_secs(1));
    assert!(world.has_connected(world.clients[publisher].peer));
    world.run_live(&[publisher], Duration::from_secs(1));
    assert!(world.clients[viewer].pictures().len() > 25);
    assert_eq!(world.workers[1].counters().tracks, 0);

    // Without a binding request before, nobody knows whose it is.
    let stranger = ([203, 0, 113, 5], 9).into();
    let path = (Protocol::Udp, stranger, server_address());
    assert_eq!(
        world.workers[1].handle_datagram(path, &[0x80; 40], world.now),
        Routed::Unknown
    );
    assert_eq!(world.clients[publisher].peer.worker(), WorkerId(0));
}
