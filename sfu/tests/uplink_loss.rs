//! What is lost on the way from a publisher is asked for, and comes again as it was where it has no stream of its own for that.

mod world;

use std::time::Duration;

use str0m::media::MediaKind;
use world::{Offer, World};

/// A show by a publisher whose packets get lost for a moment and come after all, and how often it was asked for them. Its
/// offer is written otherwise, if told so.
fn lossy_show(rewrite: Option<(&str, &str)>) -> (World, usize, usize) {
    let mut world = World::new(1);
    world.rewrite_offers = rewrite.map(|(from, to)| (from.into(), to.into()));
    let publisher = world.connect(0, "show", "host", &Offer::publish().without_repair());
    world.rewrite_offers = None;
    assert!(!world.clients[publisher].answer.contains("rtx/90000"));
    let viewer = world.connect(0, "show", "guest", &Offer::subscribe());
    frames(&mut world, publisher, 30);
    world.clients[viewer].received.clear();

    world.clients[publisher].holds = 2;
    frames(&mut world, publisher, 10);
    assert_eq!(world.clients[publisher].holds, 0);
    let asked = world.clients[publisher].nacks;
    world.release(publisher);
    frames(&mut world, publisher, 10);
    (world, viewer, asked)
}

fn frames(world: &mut World, publisher: usize, count: usize) {
    for _ in 0..count {
        world.send_frame(publisher);
        world.run(Duration::from_millis(30));
    }
}

/// Sequence number and frame of the pictures that a viewer got, in the order of their numbers.
fn pictures(world: &World, viewer: usize) -> Vec<(u64, u32)> {
    let packets = world.clients[viewer].of_kind(MediaKind::Video).into_iter();
    let frame = |payload: &[u8]| u32::from_be_bytes([payload[1], payload[2], payload[3], payload[4]]);
    let mut pictures: Vec<_> = packets.map(|packet| (*packet.seq_no, frame(&packet.payload))).collect();
    pictures.sort_unstable();
    pictures
}

#[test]
fn a_publisher_without_retransmission_streams_is_asked_for_what_is_lost() {
    // Streams that the offer names, and streams that their first packets tell of.
    for rewrite in [None, Some(("a=ssrc:", "a=x-ssrc:"))] {
        let (world, viewer, asked) = lossy_show(rewrite);
        assert!(asked > 0, "{rewrite:?}");
        let pictures = pictures(&world, viewer);
        assert_eq!(pictures.len(), 20, "{rewrite:?}");
        let follow = |pair: &[(u64, u32)]| pair[1] == (pair[0].0 + 1, pair[0].1 + 1);
        assert!(pictures.windows(2).all(follow), "{rewrite:?}: {pictures:?}");
    }
}

#[test]
fn a_publisher_that_repeats_nothing_is_not_asked() {
    let (_, _, asked) = lossy_show(Some((" nack\r\n", " x-nack\r\n")));
    assert_eq!(asked, 0);
}
