//! What a viewer takes of the server's memory.

mod counting;
mod world;

use footlight_sfu::MediaKind;
use world::{IDR, Offer, SLICE, TICK, World};

const VIEWERS: i64 = 16;

/// Bytes that a viewer of 1.5 Mb/s may take in the core and the engine below it, with its part of everything shared.
const MOST: i64 = 150_000;

/// Packets of a picture, their payload, and the ticks between two pictures: 1.5 Mb/s.
const PACKETS: u32 = 6;
const PAYLOAD: usize = 1_050;
const PICTURE_TICKS: u32 = 7;

#[test]
fn a_viewer_of_a_720p_stream_takes_its_share_and_no_more() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    for viewer in 0..VIEWERS {
        world.connect(0, "show", &format!("v{viewer}"), &Offer::subscribe());
    }
    for frame in 0..300 {
        let is_key = world.clients[publisher].take_asked() || frame == 0;
        for packet in 0..PACKETS {
            let first = if is_key && packet == 0 { IDR } else { SLICE };
            let now = world.now;
            world.send_packet(publisher, MediaKind::Video, frame * 3_150, vec![first; PAYLOAD], now);
        }
        world.send_sound(publisher);
        world.run(TICK * PICTURE_TICKS);
        for client in &mut world.clients {
            client.received.clear();
        }
    }
    assert!(world.workers[0].counters().forwarded > 20_000, "everybody watches");

    let before = counting::live();
    world.workers.clear();
    let each = (before - counting::live()) / VIEWERS;
    println!("{each} bytes for each viewer");
    assert!(each < MOST, "{each} bytes for each viewer");
}
