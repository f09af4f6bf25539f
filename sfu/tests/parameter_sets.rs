//! Somebody who comes after the parameter sets of an H.264 stream gets them all the same.

mod world;

use std::time::Duration;

use str0m::media::MediaKind;
use str0m::rtp::RtpPacket;
use world::{IDR, Offer, SLICE, World};

/// A sequence and a picture parameter set in one packet (RFC 6184 §5.7.1).
const SETS: [u8; 14] = [0x78, 0, 6, 0x67, 0x42, 0xe0, 0x1f, 0x80, 1, 0, 3, 0x68, 0x80, 2];

/// One frame after the other, each a keyframe where it was asked for one. Parameter sets come before the first keyframe, or before
/// `all`.
fn run(world: &mut World, publisher: usize, frames: u32, all: bool) {
    for _ in 0..frames {
        let now = world.now;
        let frame = world.clients[publisher].frame;
        let is_keyframe = world.clients[publisher].take_asked() || frame == 0;
        world.clients[publisher].frame += 1;
        if is_keyframe && (all || frame == 0) {
            world.send_packet(publisher, MediaKind::Video, frame * 2_700, SETS.to_vec(), now);
        }
        let payload = vec![if is_keyframe { IDR } else { SLICE }; 200];
        world.send_packet(publisher, MediaKind::Video, frame * 2_700, payload, now);
        world.run(Duration::from_millis(30));
    }
}

/// What a viewer of `worker` gets who comes late.
fn seen_late(worker: usize, all: bool) -> Vec<RtpPacket> {
    let mut world = World::new(2);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    run(&mut world, publisher, 50, all);
    let viewer = world.connect(worker, "show", "late", &Offer::subscribe());
    run(&mut world, publisher, 30, all);
    std::mem::take(&mut world.clients[viewer].received)
}

#[test]
fn a_viewer_who_comes_after_them_gets_them_before_its_first_keyframe() {
    for worker in 0..2 {
        let packets = seen_late(worker, false);
        let [sets, keyframe, ..] = packets.as_slice() else {
            panic!("{} packets", packets.len())
        };
        assert_eq!((&sets.payload[..], keyframe.payload[0]), (&SETS[..], IDR));
        assert_eq!(sets.header.timestamp, keyframe.header.timestamp);
        assert!(!sets.header.marker && keyframe.header.marker);
        assert!(packets.windows(2).all(|pair| *pair[1].seq_no == *pair[0].seq_no + 1));
        assert!(packets[1..].iter().all(|packet| packet.payload[0] != SETS[0]));
    }
}

#[test]
fn they_come_once_where_each_keyframe_brings_them() {
    let packets = seen_late(0, true);
    let sets = packets.iter().filter(|packet| packet.payload[0] == SETS[0]);
    assert_eq!(sets.count(), 1);
    assert_eq!(packets[1].payload[0], IDR);
}
