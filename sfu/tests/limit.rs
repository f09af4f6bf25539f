//! A publisher without layers, and viewers whose lines carry less than it sends.

mod link;

use std::time::Duration;

use link::{Line, Network, Stage};

const SECOND: Duration = Duration::from_secs(1);

/// More than any line here carries: there is no limit.
const NO_LIMIT: u64 = 1_000_000_000;

#[test]
fn a_publisher_that_is_too_much_for_all_sends_what_the_best_line_carries() {
    for workers in [1, 2] {
        let mut network = Network::new(workers, 70);
        let publisher = network.publish(0, "anna", &Stage::camera(1));
        let [slow, less_slow] = [500_000, 800_000].map(|rate| {
            let worker = usize::from(workers) - 1;
            network.watch(worker, "guest", 1, Line::new(rate, 40))
        });
        network.run(30 * SECOND);
        let told = network.told(publisher, 10 * SECOND);
        assert!(
            !told.is_empty() && told.iter().all(|most| (400_000..900_000).contains(most)),
            "{told:?}"
        );
        let seen = network.seen(less_slow, 0);
        assert!(seen.freeze_from(10 * SECOND) < SECOND, "{seen:?}");
        assert!(network.sound(slow, 10 * SECOND) > 0.95);

        // Where it does not listen, nobody sees anything.
        let mut deaf = Network::new(workers, 70);
        let publisher = deaf.publish(0, "anna", &Stage::camera(1));
        deaf.disobey(publisher);
        let viewer = deaf.watch(0, "guest", 1, Line::new(800_000, 40));
        deaf.run(30 * SECOND);
        let seen = deaf.seen(viewer, 0);
        assert!(seen.freeze_from(10 * SECOND) > 2 * SECOND, "{seen:?}");
    }
}

#[test]
fn a_publisher_that_is_too_much_for_some_is_told_nothing() {
    for workers in [1, 2] {
        let mut network = Network::new(workers, 71);
        let publisher = network.publish(0, "anna", &Stage::camera(1));
        let good = network.watch(0, "guest", 1, Line::new(20_000_000, 20));
        network.watch(usize::from(workers) - 1, "guest", 1, Line::new(500_000, 40));
        network.run(30 * SECOND);
        assert_eq!(network.told(publisher, Duration::ZERO), [0; 0]);
        assert!(network.seen(good, 0).longest_freeze() < SECOND / 2);
    }
}

#[test]
fn layers_are_chosen_and_not_limited() {
    let mut network = Network::new(1, 72);
    let publisher = network.publish(0, "anna", &Stage::camera(3));
    network.watch(0, "guest", 1, Line::new(500_000, 40));
    network.run(30 * SECOND);
    assert_eq!(network.told(publisher, Duration::ZERO), [0; 0]);
}

#[test]
fn the_limit_ends_when_somebody_comes_who_can_take_more_and_when_the_line_widens() {
    for comes in [false, true] {
        let mut network = Network::new(1, 73);
        let publisher = network.publish(0, "anna", &Stage::camera(1));
        let viewer = network.watch(0, "guest", 1, Line::new(700_000, 40));
        network.run(20 * SECOND);
        let told = network.told(publisher, 10 * SECOND);
        assert!(!told.is_empty() && told.iter().all(|most| *most < 900_000), "{told:?}");
        if comes {
            network.watch(0, "guest", 1, Line::new(20_000_000, 20));
        } else {
            network.line(viewer).rate = 5_000_000;
        }
        let since = network.time();
        network.run(20 * SECOND);
        let told = network.told(publisher, since);
        assert!(told.last().is_some_and(|most| *most > NO_LIMIT), "{told:?}");
        // It is said a few times, and no more.
        let quiet = network.time();
        network.run(5 * SECOND);
        let told = network.told(publisher, quiet);
        assert_eq!(told, [0; 0]);
    }
}

#[test]
fn a_picture_is_back_soon_after_its_line_has_narrowed_because_its_publisher_keeps_within_it() {
    for seed in 0..3 {
        for rate in [500_000, 600_000, 700_000, 800_000, 900_000] {
            for delay in [20, 80, 200] {
                let mut network = Network::new(1, 740 + seed);
                network.publish(0, "anna", &Stage::camera(1));
                let viewer = network.watch(0, "guest", 1, Line::new(5_000_000, delay));
                network.run(15 * SECOND);
                network.line(viewer).rate = rate;
                let narrow = network.time();
                network.run(40 * SECOND);
                let freeze = network.seen(viewer, 0).freeze_from(narrow);
                assert!(
                    freeze < 3 * SECOND / 2,
                    "{freeze:?} at {rate} b/s, {delay} ms, seed {seed}"
                );
            }
        }
    }
}

#[test]
fn where_there_is_too_little_for_three_each_gives_up_as_much_and_none_stands_still() {
    for seed in 0..8 {
        for rate in [1_000_000, 2_000_000, 3_000_000] {
            let mut network = Network::new(1, 760 + seed);
            for user in ["anna", "bert", "cleo"] {
                network.publish(0, user, &Stage::camera(1));
            }
            let viewer = network.watch(0, "guest", 3, Line::new(10_000_000, 30));
            network.run(10 * SECOND);
            network.line(viewer).rate = rate;
            let narrow = network.elapsed(viewer);
            network.run(5 * SECOND);
            let settled = network.elapsed(viewer);
            network.run(25 * SECOND);
            for slot in 0..3 {
                let seen = network.seen(viewer, slot);
                let freezes = (seen.freeze_from(narrow), seen.freeze_from(settled));
                assert!(
                    freezes.0 < 5 * SECOND / 2 && freezes.1 < SECOND / 2,
                    "{freezes:?} at {rate} b/s, seed {seed}"
                );
            }
            assert!(network.sound(viewer, settled) > 0.97);
            let told = [0, 1, 2].map(|publisher| *network.told(publisher, 20 * SECOND).last().expect("is told"));
            let [least, most] = [told.iter().min(), told.iter().max()].map(|told| *told.expect("three"));
            assert!(
                most < 2 * least && most < rate / 3,
                "{told:?} at {rate} b/s, seed {seed}"
            );
        }
    }
}
