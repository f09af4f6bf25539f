//! The bounds of `links.rs` without the mechanism that keeps each: they fail, so that it is the mechanism that keeps them.

mod link;

use std::time::Duration;

use link::{Excess, Line, Network, Seen, Stage, Without};

const SECOND: Duration = Duration::from_secs(1);

/// A viewer of three layers whose offer lacks something.
fn watch(without: Without, seed: u64, line: Line) -> (Network, usize) {
    let mut network = Network::new(1, seed);
    network.publish(0, "anna", &Stage::camera(3));
    network.without = Some(without);
    let viewer = network.watch(0, "guest", 1, line);
    (network, viewer)
}

/// What such a viewer sees of a line that carries 5 Mb/s, for twenty seconds 500 kb/s, and 5 Mb/s again; when it narrowed, and widened.
fn fall(without: Without, delay: u64) -> (Seen, Duration, Duration) {
    let (mut network, viewer) = watch(without, 3 + delay, Line::new(5_000_000, delay));
    network.run(15 * SECOND);
    network.line(viewer).rate = 500_000;
    let narrowed = network.elapsed(viewer);
    network.run(20 * SECOND);
    network.line(viewer).rate = 5_000_000;
    let widened = network.elapsed(viewer);
    network.run(15 * SECOND);
    (network.seen(viewer, 0), narrowed, widened)
}

#[test]
fn without_an_estimate_a_narrow_line_is_flooded() {
    for delay in [20, 80, 200] {
        let (seen, narrowed, widened) = fall(Without::Feedback, delay);
        let lower = seen.first_of(180, narrowed).min(seen.first_of(360, narrowed));
        assert!(lower > widened, "{delay} ms: {seen:?}");
        let settled = narrowed + 3 * SECOND;
        assert!(seen.freeze_from(settled) > SECOND, "{delay} ms: {seen:?}");
    }
}

#[test]
fn without_an_estimate_no_viewer_gets_the_layer_that_fits() {
    for (rate, fits) in [(300_000, 180), (900_000, 360)] {
        let (mut network, viewer) = watch(Without::Feedback, 2, Line::new(rate, 20));
        network.run(30 * SECOND);
        let seen = network.seen(viewer, 0);
        assert_ne!(seen.mostly_from(10 * SECOND), fits, "{rate}: {seen:?}");
        assert!(seen.freeze_from(10 * SECOND) > 2 * SECOND, "{rate}: {seen:?}");
    }
}

#[test]
fn without_an_estimate_the_picture_stands_still_on_a_policed_line() {
    for (rate, delay, burst) in [(300_000, 10, 300), (500_000, 40, 1_000), (1_200_000, 160, 30)] {
        let line = Line {
            excess: Excess::IsLost(burst),
            ..Line::new(rate, delay)
        };
        let (mut network, viewer) = watch(Without::Feedback, rate / 1_000 + delay, line);
        network.run(30 * SECOND);
        let seen = network.seen(viewer, 0);
        assert!(seen.freeze_from(10 * SECOND) > 2 * SECOND, "{rate}: {seen:?}");
    }
}

#[test]
fn without_probes_a_wide_line_is_not_filled_again() {
    for delay in [20, 80, 200] {
        let (seen, _, widened) = fall(Without::Retransmissions, delay);
        let up = seen.first_of(720, widened).saturating_sub(widened);
        assert!(up > 15 * SECOND, "{delay} ms: {up:?}");
    }
}

#[test]
fn without_retransmissions_loss_stops_the_picture() {
    for (seed, loss, burst, jitter, bound) in [
        (7, 0.01, 1, 5, 600),
        (8, 0.05, 1, 20, 1_000),
        (9, 0.05, 4, 5, 1_500),
        (10, 0.10, 1, 10, 2_000),
    ] {
        let line = Line {
            jitter,
            loss,
            burst,
            ..Line::new(5_000_000, 40)
        };
        let (mut network, viewer) = watch(Without::Retransmissions, seed, line);
        network.run(40 * SECOND);
        let freeze = network.seen(viewer, 0).longest_freeze();
        assert!(freeze > Duration::from_millis(bound), "{loss} {burst}: {freeze:?}");
    }
}
