//! A session that goes on for hours while viewers come and go: memory stays what it was.
//!
//! An hour of virtual time by default; `FOOTLIGHT_SOAK_HOURS` for more, as `cargo xtask soak` does.

mod counting;
mod world;

use std::time::Duration;

use world::{Offer, World};

/// Pictures and sound come once in so much time: enough for every timer, few enough for an hour to take seconds.
const STEP: Duration = Duration::from_millis(250);

/// A viewer comes and another goes.
const CHANGE: Duration = Duration::from_secs(20);

/// Memory is looked at, always at the same point between two changes.
const LOOK: Duration = Duration::from_mins(10);

const VIEWERS: usize = 4;

/// Bytes by which it may differ: a queue may grow to its next power of two. A viewer takes some 100 kB.
const SLACK: i64 = 32 * 1024;

fn hours() -> u32 {
    let given = std::env::var("FOOTLIGHT_SOAK_HOURS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// A viewer on one of the workers, by turns.
fn join(world: &mut World, number: usize) {
    let workers = world.workers.len();
    world.connect(number % workers, "show", &format!("v{number}"), &Offer::subscribe());
}

/// Lets `time` pass on air.
fn live(world: &mut World, publisher: usize, time: Duration) {
    let end = world.now + time;
    while world.now < end {
        world.send_frame(publisher);
        world.send_sound(publisher);
        world.step(STEP);
        // What tests look at otherwise, and what would be all that grows.
        world.events.clear();
        for client in &mut world.clients {
            client.received.clear();
            client.forget_requests();
        }
    }
}

#[test]
fn memory_is_flat_over_hours_of_viewers_that_come_and_go() {
    let mut world = World::new(2);
    let publisher = world.connect(0, "show", "host", &Offer::publish());
    let mut joined = 0;
    let mut looks = Vec::new();
    let end = world.now + Duration::from_hours(1) * hours();
    let mut look_at = world.now + LOOK;
    while world.now < end {
        join(&mut world, joined);
        joined += 1;
        live(&mut world, publisher, CHANGE / 2);
        if world.clients.len() > VIEWERS {
            // The publisher is the first; whoever took the place of one that left goes in its turn.
            world.forget(1 + joined % (VIEWERS - 1));
        }
        live(&mut world, publisher, CHANGE / 2);
        if world.now >= look_at {
            look_at += LOOK;
            looks.push(counting::live());
            println!(
                "{:5} min: {joined} joined, {} kB",
                (world.now - world.start).as_secs() / 60,
                counting::live() / 1024
            );
        }
    }
    assert!(world.workers.iter().map(|worker| worker.counters().peers).sum::<u64>() <= VIEWERS as u64 + 1);
    // The first look is the one that others are measured by: by then everything has grown to its size.
    let (first, most) = (looks[0], looks.iter().copied().max().unwrap_or_default());
    assert!(most <= first + SLACK, "{first} bytes, later {most}: {looks:?}");
}
