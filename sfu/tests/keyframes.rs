//! Keyframe requests: merged, limited, never lost.

mod world;

use std::time::Duration;

use str0m::media::{KeyframeRequestKind, MediaKind};
use world::{IDR, Offer, World};

const INTERVAL: Duration = Duration::from_millis(500);

fn asks_for_keyframe(world: &mut World, client: usize) {
    let mid = world.clients[client]
        .mids
        .iter()
        .find(|(_, kind)| kind.is_video())
        .expect("video")
        .0;
    let mut direct = world.clients[client].rtc.direct_api();
    direct
        .stream_rx_by_mid(mid, None)
        .expect("a stream that came in")
        .request_keyframe(KeyframeRequestKind::Pli);
    world.settle();
}

#[test]
fn requests_of_many_viewers_become_one_per_interval() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(100));
    let viewers: Vec<_> = (0..6)
        .map(|n| world.connect(0, "show", &format!("v{n}"), &Offer::subscribe()))
        .collect();
    world.run_live(&[publisher], Duration::from_secs(2));
    world.clients[publisher].asked.clear();

    for _ in 0..40 {
        for viewer in &viewers {
            asks_for_keyframe(&mut world, *viewer);
        }
        world.run_live(&[], Duration::from_millis(50));
    }
    world.run(INTERVAL);

    let asked = &world.clients[publisher].asked;
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= INTERVAL), "{asked:?}");
    assert!(
        (4..=5).contains(&asked.len()),
        "two seconds hold four intervals: {}",
        asked.len()
    );
    let counters = world.workers[0].counters();
    assert!(counters.keyframes_merged > 100, "{counters:?}");
}

#[test]
fn a_request_within_the_interval_is_answered_when_it_ends() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(100));
    let first = world.connect(0, "show", "a", &Offer::subscribe());
    world.run_live(&[publisher], Duration::from_millis(100));
    let second = world.connect(0, "show", "b", &Offer::subscribe());
    world.run_live(&[publisher], Duration::from_secs(1));

    assert_eq!(world.clients[publisher].asked.len(), 2);
    assert_eq!(world.clients[first].keyframes(), 2);
    assert_eq!(world.clients[second].pictures()[0], IDR);
}

#[test]
fn a_viewer_of_sound_alone_asks_for_no_picture() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.run_live(&[publisher], Duration::from_millis(100));
    let viewer = world.connect(0, "show", "a", &Offer::subscribe().slots(1, 0));
    world.run_live(&[publisher], Duration::from_secs(1));
    assert!(world.clients[publisher].asked.is_empty());
    assert!(!world.clients[viewer].of_kind(MediaKind::Audio).is_empty());
    assert!(world.clients[viewer].pictures().is_empty());
}

#[test]
fn a_slot_that_waits_asks_again_when_the_request_was_in_vain() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    world.send_frame(publisher);
    world.connect(0, "show", "a", &Offer::subscribe());
    // A publisher that does not listen: it sends ordinary frames only.
    for frame in 1..50_u32 {
        let mut payload = vec![world::SLICE; 200];
        payload[1] = frame as u8;
        let now = world.now;
        world.send_packet(publisher, MediaKind::Video, frame * 2_700, payload, now);
        world.run(Duration::from_millis(30));
    }
    assert!(
        world.clients[publisher].asked.len() >= 2,
        "{:?}",
        world.clients[publisher].asked
    );
}

/// A show of a publisher that sends a keyframe every eight seconds and listens to nobody, which a viewer of `worker` joins three
/// seconds after one. What the viewer saw.
fn joined_between_keyframes(worker: usize) -> Vec<u8> {
    let mut world = World::new(2);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    let mut frame = 0;
    let mut run = |world: &mut World, seconds: u32| {
        for _ in 0..seconds * 25 {
            let first = if frame % 200 == 0 { IDR } else { world::SLICE };
            let mut payload = vec![first; 200];
            payload[1..5].copy_from_slice(&u32::to_be_bytes(frame));
            let now = world.now;
            world.send_packet(publisher, MediaKind::Video, frame * 3_600, payload, now);
            world.run(Duration::from_millis(40));
            frame += 1;
        }
    };
    run(&mut world, 19);
    let viewer = world.connect(worker, "show", "a", &Offer::subscribe());
    run(&mut world, 7);
    world.clients[viewer].pictures()
}

#[test]
fn a_viewer_waits_for_the_keyframes_of_a_publisher_that_is_not_to_be_asked() {
    for worker in 0..2 {
        let pictures = joined_between_keyframes(worker);
        assert_eq!(pictures.first(), Some(&IDR), "{} pictures", pictures.len());
        assert!(pictures.len() > 40, "{} pictures", pictures.len());
    }
}
