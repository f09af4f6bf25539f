//! Viewers behind lines of every kind: what each gets of a publisher's layers, and how soon.
//!
//! Everything is seeded: a run is the same packet by packet, whenever it is repeated.

mod link;

use std::time::Duration;

use footlight_sfu::{Source, Wish};
use link::{Excess, Line, Network, Stage};

const SECOND: Duration = Duration::from_secs(1);

/// One of so many cases is looked at; no common divisor with how many there are of anything.
const EACH: usize = 7;

fn good() -> Line {
    Line::new(20_000_000, 20)
}

#[test]
fn on_a_good_line_the_best_layer_comes_within_two_seconds_and_stays() {
    let mut network = Network::new(1, 1);
    let publisher = network.publish(0, "anna", &Stage::camera(3));
    network.run(SECOND);
    let viewer = network.watch(0, "guest", 1, good());
    network.run(2 * SECOND);
    network.run(20 * SECOND);
    let seen = network.seen(viewer, 0);
    assert_eq!(seen.heights_from(2 * SECOND), [720], "{seen:?}");
    assert!(seen.first_picture() < Duration::from_millis(300), "{seen:?}");
    assert!(seen.longest_freeze() < Duration::from_millis(400), "{seen:?}");
    assert!(
        seen.is_one_line(),
        "sequence numbers, timestamps and picture ids run on"
    );
    let _ = publisher;
}

#[test]
fn three_viewers_with_different_lines_watch_three_layers() {
    for workers in [1, 2] {
        let mut network = Network::new(workers, 2);
        network.publish(0, "anna", &Stage::camera(3));
        let lines = [Line::new(300_000, 20), Line::new(900_000, 20), good()];
        let viewers = lines.map(|line| network.watch(usize::from(workers) - 1, "guest", 1, line));
        network.run(30 * SECOND);
        let heights = viewers.map(|viewer| network.seen(viewer, 0).mostly_from(10 * SECOND));
        assert_eq!(heights, [180, 360, 720]);
        // The figures say the same.
        for (viewer, (rid, height)) in viewers.iter().zip([("c", 180), ("a", 360), ("b", 720)]) {
            let stats = network.stats(*viewer);
            assert!(stats.estimate.is_some());
            let slot = stats.slots.iter().find(|slot| slot.kind.is_video()).expect("a picture");
            assert_eq!((slot.rid.as_deref(), slot.is_left_out), (Some(rid), false));
            // Of VP8 in pixels, of H.264 in whole macroblocks.
            assert_eq!(slot.height, Some(height));
        }
        for viewer in viewers {
            let seen = network.seen(viewer, 0);
            assert!(seen.is_one_line());
            assert!(seen.switches_from(10 * SECOND) <= 1, "{seen:?}");
        }
    }
}

#[test]
fn a_line_that_narrows_gets_less_within_three_seconds_and_all_again_within_fifteen() {
    for delay in [20, 80, 200] {
        let mut network = Network::new(1, 3 + delay);
        network.publish(0, "anna", &Stage::camera(3));
        let viewer = network.watch(0, "guest", 1, Line::new(5_000_000, delay));
        network.run(15 * SECOND);
        assert_eq!(network.seen(viewer, 0).heights_from(10 * SECOND), [720], "{delay}");
        network.line(viewer).rate = 500_000;
        let narrowed = network.elapsed(viewer);
        network.run(20 * SECOND);
        let seen = network.seen(viewer, 0);
        let down = seen.last_of(720).saturating_sub(narrowed);
        assert!(down < 3 * SECOND, "{delay} ms: {down:?}");
        let lower = [180, 360]
            .map(|height| seen.first_of(height, narrowed))
            .into_iter()
            .min();
        let settled = lower.map_or(Duration::MAX, |at| at.saturating_sub(narrowed));
        // The keyframe has to pass the queue before the line, and what was lost is asked for over its delay.
        let bound = 3 * SECOND + 5 * Duration::from_millis(delay);
        assert!(settled < bound, "{delay} ms: {settled:?}");
        assert!(seen.freeze_from(narrowed + 3 * SECOND) < SECOND, "{delay} ms: {seen:?}");
        network.line(viewer).rate = 5_000_000;
        let widened = network.elapsed(viewer);
        network.run(25 * SECOND);
        let seen = network.seen(viewer, 0);
        let up = seen.first_of(720, widened).saturating_sub(widened);
        assert!(up < 15 * SECOND, "{delay} ms: {up:?}");
        assert!(seen.is_one_line());
        println!(
            "{delay} ms: down after {settled:?}, up after {up:?}, longest freeze {:?}",
            seen.freeze_from(narrowed)
        );
    }
}

/// The same for lines of many kinds, early and late, for short and for long: what a line carried before it became narrow must
/// not be held against it, and no estimate may be enough for nothing better and too good to look further.
#[test]
fn whatever_a_line_was_it_is_filled_again_when_it_is_wide_again() {
    let seconds = Duration::from_secs_f64;
    let mut cases = Vec::new();
    for at in [2.0, 4.0, 8.0, 20.0] {
        for time in [1.5, 6.0, 20.0] {
            for delay in [5, 20, 80, 200] {
                for wide in [2_500_000, 5_000_000, 20_000_000] {
                    cases.extend([300_000, 500_000, 900_000].map(|narrow| (at, time, delay, wide, narrow)));
                }
            }
        }
    }
    let (mut latest_down, mut latest_up) = (Duration::ZERO, Duration::ZERO);
    // All of them hold; so many are what a test has time for.
    for (seed, case) in cases.into_iter().enumerate().step_by(EACH) {
        let (at, time, delay, wide, narrow) = case;
        let mut network = Network::new(1, seed as u64 + 1);
        network.publish(0, "anna", &Stage::camera(3));
        let viewer = network.watch(0, "guest", 1, Line::new(wide, delay));
        network.run(seconds(at));
        network.line(viewer).rate = narrow;
        let narrowed = network.elapsed(viewer);
        network.run(seconds(time));
        network.line(viewer).rate = wide;
        let widened = network.elapsed(viewer);
        network.run(15 * SECOND);
        let seen = network.seen(viewer, 0);
        let lower = seen.first_of(180, narrowed).min(seen.first_of(360, narrowed));
        let down = lower.saturating_sub(narrowed);
        let up = seen.first_of(720, widened).saturating_sub(widened);
        assert!(
            down < 3 * SECOND && up < 15 * SECOND,
            "{case:?}: down {down:?}, up {up:?}"
        );
        // What was lost is asked for over the line's delay.
        let settled = narrowed + 3 * SECOND + 5 * Duration::from_millis(delay);
        assert!(seen.freeze_from(settled) < SECOND, "{case:?}: {seen:?}");
        (latest_down, latest_up) = (latest_down.max(down), latest_up.max(up));
    }
    println!("down after {latest_down:?} at the latest, up after {latest_up:?}");
}

/// What becomes of a line of 5 Mb/s that falls after a while, for twenty seconds.
struct Fall {
    /// Until a smaller layer is shown, and once it is wide again the best.
    down: Duration,
    up: Duration,
    /// The longest from the fall on, and from three seconds after it.
    freeze: Duration,
    later: Duration,
    /// The share of the sound that came.
    sound: f64,
}

fn fall(line: Line, narrow: u64, (chance, after): (u64, Duration)) -> Fall {
    let mut network = Network::new(1, chance);
    network.publish(0, "anna", &Stage::camera(3));
    let viewer = network.watch(0, "guest", 1, line);
    network.run(after);
    network.line(viewer).rate = narrow;
    let narrowed = network.elapsed(viewer);
    network.run(20 * SECOND);
    network.line(viewer).rate = line.rate;
    let widened = network.elapsed(viewer);
    network.run(30 * SECOND);
    let seen = network.seen(viewer, 0);
    let lower = seen.first_of(180, narrowed).min(seen.first_of(360, narrowed));
    Fall {
        down: lower.saturating_sub(narrowed),
        up: seen.first_of(720, widened).saturating_sub(widened),
        freeze: seen.freeze_from(narrowed),
        later: seen.freeze_from(narrowed + 3 * SECOND),
        sound: network.sound(viewer, narrowed),
    }
}

/// From almost no queue to one of several seconds, as modems have them.
#[test]
fn however_much_waits_before_a_line_less_is_sent_once_it_narrows() {
    for queue in [20, 100, 1_000, 10_000] {
        for (delay, narrow) in [(10, 500_000), (40, 300_000), (160, 900_000)] {
            let line = Line {
                excess: Excess::Waits(queue),
                ..Line::new(5_000_000, delay)
            };
            let Fall {
                down,
                up,
                freeze,
                sound,
                ..
            } = fall(line, narrow, (queue + delay, 10 * SECOND));
            println!("{queue} ms before {narrow} b/s, {delay} ms: down {down:?}, up {up:?}, longest freeze {freeze:?}");
            assert!(
                down < 3 * SECOND && up < 15 * SECOND,
                "{queue} {delay}: {down:?}, {up:?}"
            );
            assert!(
                freeze < 2 * SECOND && sound > 0.98,
                "{queue} {delay}: {freeze:?}, {sound}"
            );
        }
    }
}

/// Bits per second and milliseconds of lines that lose what is above their rate, and the milliseconds of it that pass at once.
const POLICED: [(u64, u64, u64); 9] = [
    (300_000, 10, 300),
    (300_000, 40, 100),
    (500_000, 10, 30),
    (500_000, 40, 1_000),
    (800_000, 160, 300),
    (1_200_000, 10, 100),
    (1_200_000, 160, 30),
    (1_500_000, 40, 300),
    (2_500_000, 160, 100),
];

#[test]
fn a_line_that_loses_what_is_too_much_shows_the_layer_that_fits_it() {
    for (rate, delay, burst) in POLICED {
        let mut network = Network::new(1, rate / 1_000 + delay);
        network.publish(0, "anna", &Stage::camera(3));
        let line = Line {
            excess: Excess::IsLost(burst),
            ..Line::new(rate, delay)
        };
        let viewer = network.watch(0, "guest", 1, line);
        network.run(60 * SECOND);
        let seen = network.seen(viewer, 0);
        let sound = network.sound(viewer, 10 * SECOND);
        println!(
            "{rate} b/s policed, {delay} ms, {burst} ms at once: sound {sound:.4}, {}",
            seen.summary(10 * SECOND)
        );
        // What the layers take, with sound: 0.2, 0.6 and 1.7 Mb/s, and a tenth more.
        let layers = [(1_900_000, 720), (700_000, 360), (0, 180)];
        let fits = layers
            .into_iter()
            .find_map(|(least, height)| (rate >= least).then_some(height));
        assert_eq!(
            Some(seen.mostly_from(10 * SECOND)),
            fits,
            "{rate} {delay} {burst}: {seen:?}"
        );
        assert!(
            seen.freeze_from(10 * SECOND) < 2 * SECOND,
            "{rate} {delay} {burst}: {seen:?}"
        );
        assert!(seen.shown_from(10 * SECOND) > 1_450, "{rate} {delay} {burst}: {seen:?}");
        assert!(sound > 0.995, "{rate} {delay} {burst}: {sound}");
    }
}

#[test]
fn a_line_that_loses_what_is_too_much_gets_less_once_it_narrows_and_all_again() {
    for (burst, delay, narrow) in [
        (30, 10, 500_000),
        (30, 160, 300_000),
        (100, 40, 900_000),
        (100, 160, 500_000),
        (300, 10, 300_000),
        (300, 40, 500_000),
    ] {
        let line = Line {
            excess: Excess::IsLost(burst),
            ..Line::new(5_000_000, delay)
        };
        let Fall {
            down, up, later, sound, ..
        } = fall(line, narrow, (burst + delay, 15 * SECOND));
        println!(
            "{narrow} b/s policed, {delay} ms, {burst} ms at once: down {down:?}, up {up:?}, freeze later {later:?}"
        );
        assert!(
            down < 3 * SECOND && later < SECOND,
            "{narrow} {delay} {burst}: {down:?}, {later:?}"
        );
        // The way up is asked for in steps of a second each, ten seconds apart where one was too much.
        assert!(up < 25 * SECOND, "{narrow} {delay} {burst}: {up:?}");
        assert!(sound > 0.99, "{narrow} {delay} {burst}: {sound}");
    }
}

#[test]
fn a_tile_wants_no_more_than_fills_it_and_one_out_of_sight_costs_nothing() {
    for workers in [1, 2] {
        let mut network = Network::new(workers, 4);
        network.publish(0, "anna", &Stage::camera(3));
        let viewer = network.watch(usize::from(workers) - 1, "guest", 1, good());
        network.run(5 * SECOND);
        for (height, expected) in [(Some(180), 180), (Some(300), 360), (None, 720)] {
            network.wish(viewer, 0, Wish { height, priority: 0 });
            let at = network.elapsed(viewer);
            network.run(5 * SECOND);
            assert_eq!(network.seen(viewer, 0).heights_from(at + SECOND), [expected]);
        }
        network.wish(
            viewer,
            0,
            Wish {
                height: Some(0),
                priority: 0,
            },
        );
        network.run(SECOND);
        let (packets, crossed, sent) = (network.seen(viewer, 0).packets(), network.crossed, network.sent(0));
        network.run(10 * SECOND);
        assert_eq!(network.seen(viewer, 0).packets(), packets, "hidden");
        let sound = network.sent(0)[3] - sent[3];
        let crossed = network.crossed - crossed;
        assert_eq!(
            crossed,
            if workers == 2 { sound } else { 0 },
            "nor does it cross from worker to worker"
        );
        network.wish(viewer, 0, Wish::default());
        let at = network.elapsed(viewer);
        network.run(2 * SECOND);
        let seen = network.seen(viewer, 0);
        assert!(seen.first_of(720, at).saturating_sub(at) < SECOND, "{seen:?}");
        assert!(seen.is_one_line());
    }
}

#[test]
fn only_layers_that_somebody_takes_cross_to_another_worker_and_each_once() {
    let mut network = Network::new(2, 5);
    network.publish(0, "anna", &Stage::camera(3));
    let viewers = [0, 1, 2].map(|_| network.watch(1, "guest", 1, good()));
    network.run(5 * SECOND);
    for (viewer, height) in viewers.iter().zip([180, 180, 360]) {
        network.wish(
            *viewer,
            0,
            Wish {
                height: Some(height),
                priority: 0,
            },
        );
    }
    network.run(2 * SECOND);
    let (crossed, before) = (network.crossed, network.sent(0));
    network.run(10 * SECOND);
    let crossed = network.crossed - crossed;
    let sent: Vec<_> = network
        .sent(0)
        .iter()
        .zip(before)
        .map(|(after, before)| after - before)
        .collect();
    assert_eq!(crossed, sent[0] + sent[1] + sent[3], "two layers and sound of {sent:?}");
}

#[test]
fn where_there_is_too_little_for_all_the_screen_and_the_sound_stay() {
    let mut network = Network::new(1, 6);
    network.publish(0, "anna", &Stage::camera(1).with_screen());
    network.publish(0, "bert", &Stage::camera(1));
    let viewer = network.watch(0, "guest", 3, Line::new(10_000_000, 30));
    network.run(10 * SECOND);
    for slot in 0..3 {
        assert!(network.seen(viewer, slot).freeze_from(5 * SECOND) < SECOND);
    }
    // Sound, the screen and half a camera.
    network.line(viewer).rate = 2_600_000;
    network.run(15 * SECOND);
    let settled = network.elapsed(viewer);
    network.run(15 * SECOND);
    let screen = network.slot_of(viewer, "anna", Source::Screen);
    let seen = network.seen(viewer, screen);
    assert!(seen.freeze_from(settled) < SECOND, "{seen:?}");
    let sound = network.sound(viewer, settled);
    assert!(sound > 0.97, "share of sound that came: {sound}");
    let frozen = [0, 1, 2]
        .into_iter()
        .filter(|slot| network.seen(viewer, *slot).freeze_from(settled) > 5 * SECOND);
    assert!(frozen.count() >= 1, "something was left out");
}

#[test]
fn loss_bursts_jitter_and_reordering_stop_no_picture() {
    for (seed, loss, burst, jitter, bound) in [
        (7, 0.01, 1, 5, 600),
        (8, 0.05, 1, 20, 1_000),
        (9, 0.05, 4, 5, 1_500),
        (10, 0.10, 1, 10, 2_000),
        (11, 0.20, 1, 0, 4_000),
    ] {
        let mut network = Network::new(1, seed);
        network.publish(0, "anna", &Stage::camera(3));
        let line = Line {
            jitter,
            loss,
            burst,
            ..Line::new(5_000_000, 40)
        };
        let viewer = network.watch(0, "guest", 1, line);
        network.run(40 * SECOND);
        let seen = network.seen(viewer, 0);
        let freeze = seen.longest_freeze();
        println!(
            "loss {loss} burst {burst} jitter {jitter}: longest freeze {freeze:?}, {}",
            seen.summary(10 * SECOND)
        );
        assert!(
            freeze < Duration::from_millis(bound),
            "{loss} {burst} {jitter}: {freeze:?}"
        );
    }
}

#[test]
fn a_line_is_used_as_far_as_layers_go_and_nothing_flaps() {
    // What the layers take, with sound: 0.2, 0.6 and 1.7 Mb/s.
    for (rate, delay, least, switches) in [
        (300_000, 40, 0.4, 2),
        (500_000, 20, 0.25, 2),
        (1_000_000, 100, 0.45, 2),
        (1_500_000, 400, 0.3, 2),
        (3_000_000, 40, 0.45, 2),
        (5_000_000, 200, 0.28, 2),
    ] {
        let mut network = Network::new(1, 20 + rate / 100_000);
        network.publish(0, "anna", &Stage::camera(3));
        let viewer = network.watch(0, "guest", 1, Line::new(rate, delay));
        network.run(60 * SECOND);
        let seen = network.seen(viewer, 0);
        let used = network.used(viewer, 20 * SECOND);
        println!("{rate} b/s {delay} ms: used {used:.2}, {}", seen.summary(20 * SECOND));
        assert!(used > least, "{rate} {delay}: {used}");
        assert!(seen.switches_from(20 * SECOND) <= switches, "{rate} {delay}: {seen:?}");
        assert!(seen.freeze_from(20 * SECOND) < SECOND, "{rate} {delay}: {seen:?}");
    }
}

/// The best layer takes 1.7 Mb/s with sound.
#[test]
fn a_line_that_never_wavers_shows_what_fits_it_by_a_tenth() {
    for delay in [20, 80, 200] {
        for rate in [2_000_000, 2_200_000] {
            let mut network = Network::new(1, 100 + delay);
            network.publish(0, "anna", &Stage::camera(3));
            let viewer = network.watch(0, "guest", 1, Line::new(rate, delay));
            network.run(60 * SECOND);
            let seen = network.seen(viewer, 0);
            assert_eq!(seen.heights_from(15 * SECOND), [720], "{rate} {delay}: {seen:?}");
            let freeze = seen.freeze_from(5 * SECOND);
            assert!(freeze < SECOND / 4, "{rate} {delay}: {freeze:?}");
        }
    }
}

#[test]
fn one_viewer_on_a_bad_line_changes_nothing_for_the_others() {
    let mut network = Network::new(1, 12);
    network.publish(0, "anna", &Stage::camera(3));
    let viewer = network.watch(0, "good", 1, good());
    network.run(5 * SECOND);
    network.watch(
        0,
        "bad",
        1,
        Line {
            loss: 0.2,
            ..Line::new(300_000, 300)
        },
    );
    network.run(20 * SECOND);
    let seen = network.seen(viewer, 0);
    assert_eq!(seen.heights_from(3 * SECOND), [720]);
    assert!(seen.longest_freeze() < Duration::from_millis(400), "{seen:?}");
    assert!(network.sound(viewer, 3 * SECOND) > 0.99);
}

#[test]
fn however_often_viewers_change_their_minds_a_layer_is_asked_for_a_keyframe_twice_a_second() {
    let mut network = Network::new(2, 13);
    network.publish(0, "anna", &Stage::camera(3));
    let viewers: Vec<_> = (0..6)
        .map(|number| network.watch(number % 2, "guest", 1, good()))
        .collect();
    network.run(5 * SECOND);
    let before: Vec<_> = network.asked(0).iter().map(Vec::len).collect();
    for round in 0..100 {
        for (number, viewer) in viewers.iter().enumerate() {
            let tile = [Some(180), Some(360), None][number / 2];
            let height = if (round + number) % 2 == 0 { Some(0) } else { tile };
            network.wish(*viewer, 0, Wish { height, priority: 0 });
        }
        network.run(Duration::from_millis(100));
    }
    for (asked, before) in network.asked(0).iter().zip(before) {
        let pauses = asked.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(pauses.min().is_none_or(|least| least >= Duration::from_millis(500)));
        assert!((5..=21).contains(&(asked.len() - before)), "{}", asked.len() - before);
    }
    for viewer in viewers {
        network.wish(viewer, 0, Wish::default());
        let at = network.elapsed(viewer);
        network.run(5 * SECOND);
        let seen = network.seen(viewer, 0);
        assert!(seen.first_of(720, at).saturating_sub(at) < 3 * SECOND, "{seen:?}");
        assert!(seen.is_one_line());
    }
}
