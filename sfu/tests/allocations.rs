//! What the forward path allocates, from a publisher's datagram to those of all its viewers.
//!
//! The core: nothing, for no packet and no viewer. The payload is shared by all, and sealed into a buffer that all datagrams
//! of a round share. The engine below a publisher allocates what it takes in, once for all who watch, and that is bounded
//! here so that it is noticed when it changes.

mod counting;
mod world;

use std::time::Duration;

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
fn allocated(world: &mut World, publisher: usize) -> Vec<String> {
    let before = world.workers[0].counters().forwarded;
    for _ in 0..ROUNDS {
        world.around = counting::trace;
        world.send_frame(publisher);
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

    let windows = (0..WINDOWS).map(|_| allocated(&mut world, publisher));
    let least = windows.min_by_key(Vec::len).expect("more than none");
    let (core, engine): (Vec<_>, Vec<_>) = least.into_iter().partition(|trace| owner(trace) == Owner::Core);
    println!("{} by the core, {} by the engine", core.len(), engine.len());
    assert!(core.is_empty(), "{} by the core, such as:\n{}", core.len(), core[0]);
    let most = 2 * ROUNDS * FOR_A_PUBLISHER;
    assert!(engine.len() <= most, "{} by the engine, not {most}", engine.len());
}
