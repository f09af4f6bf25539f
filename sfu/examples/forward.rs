//! Forwards a picture of 1.5 Mb/s to many viewers without sockets, for a profiler to look at: the same packets in the
//! same virtual time on every run. `docs/performance.md` says how.
//!
//! `forward [VIEWERS [SECONDS [unmeasured]]]`: the last for viewers whose line nobody measures, so that nothing is paced.

#[path = "../tests/world/mod.rs"]
mod world;

use std::time::Duration;

use footlight_sfu::MediaKind;
use world::{IDR, Offer, SLICE, TICK, World};

/// Payload of a packet: what is left of an Ethernet frame, as browsers fill it.
const PAYLOAD: usize = 1_050;

/// Packets of a picture at 30 pictures a second.
const PACKETS: u32 = 6;

/// Ticks between two pictures.
const PICTURE_TICKS: u32 = 7;

/// Until the estimates have settled.
const WARM_UP: Duration = Duration::from_secs(5);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (viewers, seconds) = (argument(50), argument(5));
    let mut world = World::new(1);
    world.is_unmeasured = std::env::args().any(|argument| argument == "unmeasured");
    let publisher = world.connect(0, "show", "host", &Offer::publish().slots(0, 1));
    for viewer in 0..viewers {
        world.connect(0, "show", &format!("v{viewer}"), &Offer::subscribe().slots(0, 1));
    }
    let mut frame = 0;
    run(&mut world, publisher, &mut frame, WARM_UP);
    let before = world.workers[0].counters();
    measured(&mut world, publisher, &mut frame, Duration::from_secs(seconds));
    let after = world.workers[0].counters();
    println!(
        "{} packets forwarded to {viewers} viewers, {} datagrams sent, {} received",
        after.forwarded - before.forwarded,
        after.packets_out - before.packets_out,
        after.packets_in - before.packets_in
    );
}

/// By a name of its own, so that a profiler can be told to look here alone.
#[inline(never)]
fn measured(world: &mut World, publisher: usize, frame: &mut u32, time: Duration) {
    run(world, publisher, frame, time);
}

fn run(world: &mut World, publisher: usize, frame: &mut u32, time: Duration) {
    let end = world.now + time;
    while world.now < end {
        let is_key = world.clients[publisher].take_asked() || *frame == 0;
        for packet in 0..PACKETS {
            let first = if is_key && packet == 0 { IDR } else { SLICE };
            let now = world.now;
            world.send_packet(publisher, MediaKind::Video, *frame * 3_150, vec![first; PAYLOAD], now);
        }
        *frame += 1;
        world.run(TICK * PICTURE_TICKS);
        for client in &mut world.clients {
            client.received.clear();
        }
    }
}
