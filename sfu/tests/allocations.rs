//! What the forward path allocates, from a publisher's datagram to those of all its viewers.
//!
//! The core: nothing, for no packet and no viewer. The payload is shared by all, and sealed into a buffer that all datagrams
//! of a round share. The engine below a publisher allocates what it takes in, once for all who watch, and that is bounded
//! here so that it is noticed when it changes.

mod counting;
mod world;

use std::time::Duration;

use footlight_sfu::MediaKind;
use str0m::format::Codec;
use world::{Offer, World};

const VIEWERS: usize = 8;

/// Long enough for every queue to have grown to its size, and for the estimates to be settled.
const WARM_UP: Duration = Duration::from_secs(8);

/// Pictures and sounds that are looked at together, one packet each: a sixth of a second.
const ROUNDS: usize = 5;

/// What is looked at is the best of so many: twice a second the core compares the layers of each track, and the engine
/// makes its statistics and reports. What is allocated for a packet is in all of them.
const WINDOWS: usize = 6;

/// Allocations of the engine for each datagram that it takes in: what it decrypts to, and the payload that all viewers share.
const FOR_A_PUBLISHER: usize = 3;

/// Whose code allocates: the first frame, from the inside out, that is not the standard library's.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Core,
    Engine,
}

fn owner(trace: &str) -> Owner {
    let names = trace.lines().filter_map(|line| line.trim_start().split_once(": "));
    let is_engine = |name: &str| {
        ["str0m", "dimpl::", "is::", "aws_lc"]
            .iter()
            .any(|part| name.contains(part))
    };
    for (_, name) in names {
        // Before the engine, whose traits are implemented here.
        if name.contains("footlight_sfu") {
            return Owner::Core;
        }
        if is_engine(name) {
            return Owner::Engine;
        }
    }
    panic!("allocated by nobody:\n{trace}");
}

/// The call stacks of what is allocated while a window of pictures and sounds goes from a publisher to its viewers.
fn allocated(world: &mut World, publisher: usize, send_frame: fn(&mut World, usize)) -> Vec<String> {
    let before = world.workers[0].counters().forwarded;
    for _ in 0..ROUNDS {
        world.around = counting::trace;
        send_frame(world, publisher);
        world.send_sound(publisher);
        world.around = |_| {};
        world.run(Duration::from_millis(30));
    }
    let forwarded = world.workers[0].counters().forwarded - before;
    assert_eq!(
        forwarded as usize,
        2 * ROUNDS * VIEWERS,
        "everything is forwarded to everybody"
    );
    counting::take_traces()
}

#[test]
fn nothing_is_allocated_for_a_packet_however_many_watch() {
    let mut world = World::new(1);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    for viewer in 0..VIEWERS {
        world.connect(0, "show", &format!("v{viewer}"), &Offer::subscribe());
    }
    world.run_live(&[publisher], WARM_UP);
    judge(&mut world, publisher, World::send_frame);
}

/// A picture of VP8, whose descriptor numbers it (RFC 7741 §4.2).
fn send_vp8(world: &mut World, client: usize) {
    let c = &mut world.clients[client];
    let is_keyframe = c.frame == 0 || c.take_asked();
    let frame = c.frame;
    c.frame += 1;
    // Each publisher counts from elsewhere.
    let [high, low] = (frame as u16 + 100 * client as u16).to_be_bytes();
    let mut payload = vec![9; 200];
    payload[..7].copy_from_slice(&[0x90, 0xe0, high | 0x80, low, frame as u8, 0x20, u8::from(!is_keyframe)]);
    let now = world.now;
    world.send_packet(client, MediaKind::Video, frame * 2_700, payload, now);
}

#[test]
fn nor_where_the_numbers_of_pictures_have_to_run_on_from_those_of_another_publisher() {
    let mut world = World::new(1);
    let codecs = [Codec::Vp8, Codec::Opus];
    let publishers = ["anna", "ben"].map(|user| world.connect(0, "show", user, &Offer::publish().codecs(&codecs)));
    for viewer in 0..VIEWERS {
        world.connect(0, "show", &format!("v{viewer}"), &Offer::subscribe().codecs(&codecs));
    }
    let live = |world: &mut World, publishers: &[usize]| {
        for _ in 0..WARM_UP.as_millis() / 30 {
            for publisher in publishers {
                send_vp8(world, *publisher);
                world.send_sound(*publisher);
            }
            world.run(Duration::from_millis(30));
        }
    };
    live(&mut world, &publishers);
    let [anna, ben] = publishers;
    world.close(anna);
    live(&mut world, &[ben]);
    let viewer = world.clients.last().expect("a viewer");
    let pictures = viewer.of_kind(MediaKind::Video);
    let number = |payload: &[u8]| u16::from_be_bytes([payload[2] & 0x7f, payload[3]]);
    let sent = world.clients[ben].frame as u16 - 1 + 100 * ben as u16;
    let last = pictures.last().expect("pictures");
    assert_ne!(number(&last.payload), sent, "there is something to rewrite");
    let all: Vec<_> = pictures.iter().map(|packet| number(&packet.payload)).collect();
    assert!(
        all.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "they run on: {all:?}"
    );
    judge(&mut world, ben, send_vp8);
}

fn judge(world: &mut World, publisher: usize, send_frame: fn(&mut World, usize)) {
    let windows = (0..WINDOWS).map(|_| allocated(world, publisher, send_frame));
    let least = windows.min_by_key(Vec::len).expect("more than none");
    let (core, engine): (Vec<_>, Vec<_>) = least.into_iter().partition(|trace| owner(trace) == Owner::Core);
    println!("{} by the core, {} by the engine", core.len(), engine.len());
    assert!(core.is_empty(), "{} by the core, such as:\n{}", core.len(), core[0]);
    let most = 2 * ROUNDS * FOR_A_PUBLISHER;
    assert!(engine.len() <= most, "{} by the engine, not {most}", engine.len());
}
