//! Bounds on lines of all kinds, in virtual time.

mod hostile;
mod sim;

use sim::{DESIRED, LAYERS, Line, SOUND, Sim};

/// Seeds that each bound is held for.
const SEEDS: std::ops::Range<u64> = 1..9;
/// The first estimate in bit/s.
const START: u64 = 1_000_000;

/// The worst of what the seeds reached.
struct Worst {
    least: f64,
    most: f64,
}

impl Worst {
    fn new() -> Self {
        Self {
            least: f64::MAX,
            most: f64::MIN,
        }
    }

    fn add(&mut self, value: f64) {
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }
}

impl std::fmt::Display for Worst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.most >= 10_000.0 {
            write!(f, "{:.0}..{:.0} kb/s", self.least / 1e3, self.most / 1e3)
        } else {
            write!(f, "{:.2}..{:.2}", self.least, self.most)
        }
    }
}

fn good_line() -> Line {
    Line::new(20e6, 20)
}

/// The switches of layers after a time in seconds.
fn switches(sim: &Sim, from: f64) -> f64 {
    sim.switches.iter().filter(|at| **at > from).count() as f64
}

#[test]
fn a_good_line_is_found_within_a_second() {
    let (mut found, mut after) = (Worst::new(), Worst::new());
    for seed in SEEDS {
        let mut sim = Sim::new(seed, good_line(), START);
        sim.run(61.0);
        let at = sim.first(0.0, |sample| sample.estimate >= 1.9e6).unwrap_or(f64::MAX);
        found.add(at);
        after.add(sim.range(at.min(60.0), 61.0).0);
        assert!(sim.estimator.is_measured());
    }
    println!("good line: found in s {found}, then at least {after}");
    assert!(found.most <= 1.0);
    assert!(after.least >= 1.74e6);
}

/// A line that falls to 500 kb/s at 15 s and is back at 35 s.
fn fall(line: &Line, bound: f64) {
    let (mut fell, mut most, mut standing, mut back) = (Worst::new(), Worst::new(), Worst::new(), Worst::new());
    for seed in SEEDS {
        let mut sim = Sim::new(seed, line.clone(), START);
        sim.run(15.0);
        sim.line.rate = 5e5;
        sim.run(35.0);
        sim.line.rate = line.rate;
        sim.run(60.0);
        let time = |from: f64, at: Option<f64>| at.map_or(f64::MAX, |at| at - from);
        fell.add(time(15.0, sim.first(15.0, |sample| sample.estimate < 7e5)));
        most.add(sim.range(15.0 + bound, 35.0).1);
        standing.add(sim.standing(19.0, 35.0, 150.0));
        back.add(time(35.0, sim.first(35.0, |sample| sample.estimate >= 1.9e6)));
    }
    let (delay, loss) = (line.delay / 1_000, line.loss);
    println!("fall at {delay} ms, loss {loss}: in s {fell}, then {most}, standing s {standing}, back in s {back}");
    assert!(fell.most <= bound && most.most < 7e5);
    assert!(standing.most <= 0.5);
    assert!(back.most <= 8.0);
}

#[test]
fn a_fall_is_followed_and_the_recovery_found() {
    fall(&Line::new(5e6, 20), 1.2);
    fall(&Line::new(5e6, 80), 1.2);
    fall(&Line::new(5e6, 200), 2.0);
}

/// A line that falls soon after it was found to be good, and is back soon or late: it carried what it was raised to, so that
/// the raise was no mistake.
#[test]
fn a_fall_soon_after_the_start_is_recovered_from_as_well() {
    for (at, time) in [
        (2.0, 1.5),
        (2.0, 10.0),
        (4.0, 1.5),
        (4.0, 10.0),
        (8.0, 1.5),
        (8.0, 10.0),
    ] {
        let mut back = Worst::new();
        for seed in SEEDS {
            let mut sim = Sim::new(seed, Line::new(5e6, 20), START);
            sim.run(at);
            sim.line.rate = 5e5;
            sim.run(at + time);
            sim.line.rate = 5e6;
            sim.run(at + time + 30.0);
            let found = sim.first(at + time, |sample| sample.estimate >= 1.9e6);
            back.add(found.map_or(f64::MAX, |found| found - at - time));
        }
        println!("fall at {at} s for {time} s: back in s {back}");
        assert!(back.most <= 8.0);
    }
}

#[test]
fn a_fall_is_followed_on_a_lossy_line() {
    fall(
        &Line {
            loss: 0.05,
            jitter: 10e3,
            ..Line::new(5e6, 40)
        },
        1.2,
    );
    fall(
        &Line {
            loss: 0.1,
            jitter: 5e3,
            ..Line::new(5e6, 40)
        },
        1.2,
    );
}

/// A line that does not change; gives the switches after 20 s.
fn stationary(line: &Line, feedback_us: i64) -> Worst {
    let (mut estimate, mut changes, mut standing, mut used) = (Worst::new(), Worst::new(), Worst::new(), Worst::new());
    let most_useful = f64::min(line.rate, 2.0 * DESIRED as f64);
    let layer = LAYERS
        .iter()
        .rposition(|layer| layer + SOUND <= 0.8 * line.rate)
        .unwrap_or(0);
    for seed in SEEDS {
        let mut sim = Sim::new(seed, line.clone(), START);
        sim.feedback_us = feedback_us;
        sim.run(80.0);
        let (least, most) = sim.range(20.0, 80.0);
        estimate.add(least / most_useful);
        estimate.add(most / most_useful);
        changes.add(switches(&sim, 20.0));
        standing.add(sim.standing(20.0, 80.0, 150.0));
        used.add(sim.span(20.0, 80.0).filter(|sample| sample.layer >= layer).count() as f64 / 1_200.0);
    }
    let (rate, delay, jitter) = (line.rate / 1e3, line.delay / 1_000, line.jitter / 1e3);
    println!(
        "{rate} kb/s, {delay} ms, jitter {jitter} ms, feedback {feedback_us}: estimate {estimate}, switches {changes}, \
         standing s {standing}, used {used}"
    );
    assert!(estimate.least >= 0.6 && estimate.most <= 1.15);
    assert!(standing.most <= 1.2);
    assert!(used.least > 0.95);
    changes
}

#[test]
fn stationary_lines_settle_and_nothing_flaps() {
    for (rate, delay) in [(3e5, 40), (5e5, 20), (1e6, 100), (1.5e6, 400), (3e6, 40), (5e6, 200)] {
        for feedback_us in [50_000, 100_000, 250_000] {
            assert!(stationary(&Line::new(rate, delay), feedback_us).most <= 2.0);
        }
    }
}

#[test]
fn lines_close_to_a_layer_flap_seldom() {
    for rate in [7e5, 7.2e5, 7.5e5, 1.85e6, 1.95e6, 2.05e6, 2.2e6] {
        assert!(stationary(&Line::new(rate, 40), 100_000).most <= 2.0);
    }
}

#[test]
fn jitter_is_not_congestion() {
    for (rate, jitter) in [(1e6, 20e3), (5e6, 30e3), (5e6, 40e3)] {
        assert!(
            stationary(
                &Line {
                    jitter,
                    ..Line::new(rate, 40)
                },
                100_000
            )
            .most
                <= 2.0
        );
    }
}

#[test]
fn stalls_of_the_radio_are_survived() {
    let (mut least, mut changes) = (Worst::new(), Worst::new());
    for seed in SEEDS {
        let mut sim = Sim::new(seed, good_line(), START);
        for stall in 1..10 {
            sim.run(f64::from(stall) * 5.0);
            sim.line.rate = 1e4;
            sim.run(f64::from(stall) * 5.0 + 0.1);
            sim.line.rate = good_line().rate;
        }
        sim.run(60.0);
        least.add(sim.range(5.0, 60.0).0);
        changes.add(switches(&sim, 5.0));
    }
    println!("stalls: least {least}, switches {changes}");
    assert!(least.least >= 1.74e6);
}

#[test]
fn random_loss_does_not_collapse_the_estimate() {
    let losses = [
        (0.01, 1, 9e5),
        (0.05, 1, 9e5),
        (0.05, 4, 9e5),
        (0.1, 1, 5e5),
        (0.1, 4, 5e5),
        (0.2, 1, 2.5e5),
        (0.2, 4, 2.5e5),
    ];
    for (loss, burst, bound) in losses {
        for jitter in [5e3, 20e3] {
            let (mut least, mut mean, mut changes) = (Worst::new(), Worst::new(), Worst::new());
            for seed in SEEDS {
                let mut sim = Sim::new(
                    seed,
                    Line {
                        jitter,
                        loss,
                        burst,
                        ..Line::new(5e6, 40)
                    },
                    START,
                );
                sim.run(60.0);
                least.add(sim.range(0.0, 60.0).0);
                mean.add(sim.span(5.0, 60.0).map(|sample| sample.estimate).sum::<f64>() / 1_100.0);
                changes.add(switches(&sim, 5.0));
            }
            println!("loss {loss} x {burst}, jitter {jitter} us: least {least}, mean {mean}, switches {changes}");
            assert!(least.least >= bound, "{loss} {burst} {jitter}");
        }
    }
}

#[test]
fn a_policed_line_is_not_taken_for_random_loss() {
    for rate in [5e5, 1.4e6] {
        let (mut mean, mut changes, mut least) = (Worst::new(), Worst::new(), Worst::new());
        for seed in SEEDS {
            let mut sim = Sim::new(
                seed,
                Line {
                    policer: Some(8_000.0),
                    ..Line::new(rate, 40)
                },
                START,
            );
            sim.run(60.0);
            mean.add(sim.span(10.0, 60.0).map(|sample| sample.estimate).sum::<f64>() / 1_000.0);
            least.add(sim.range(10.0, 60.0).0);
            changes.add(switches(&sim, 10.0));
        }
        println!("policed {rate}: mean {mean}, least {least}, switches {changes}");
        assert!(mean.least > 0.8 * rate && mean.most < 1.1 * rate);
    }
}

#[test]
fn late_feedback_is_not_congestion() {
    for rate in [20e6, 3e6, 1e6] {
        let mut kept = Worst::new();
        for seed in SEEDS {
            let mut sim = Sim::new(seed, Line::new(rate, 20), START);
            sim.deaf = (20_000_000, 23_000_000);
            sim.run(40.0);
            kept.add(sim.range(20.0, 40.0).0 / sim.range(19.0, 20.0).0);
        }
        println!("late feedback, {rate}: kept {kept}");
        assert!(kept.least >= 0.8);
    }
}

#[test]
fn a_pause_a_clock_jump_and_lost_feedback_are_survived() {
    for jump in [-20_000_000, 60_000_000] {
        let mut least = Worst::new();
        for seed in SEEDS {
            let mut sim = Sim::new(
                seed,
                Line {
                    jitter: 3e3,
                    ..good_line()
                },
                START,
            );
            sim.pause = (10_000_000, 14_000_000);
            sim.clock_jump = (20_000_000, jump);
            sim.feedback_us = 250_000;
            sim.feedback_loss = 0.1;
            sim.run(40.0);
            least.add(sim.range(5.0, 40.0).0);
        }
        println!("clock jump {jump}: least {least}");
        assert!(least.least >= 1.74e6);
    }
}

/// As where a crowd joins at once: the first probes go out at a fraction of their rate, and come through.
#[test]
fn probes_of_a_sender_that_was_held_up_say_nothing_of_the_line() {
    let (mut found, mut low) = (Worst::new(), Worst::new());
    for seed in SEEDS {
        for step in [6_000, 8_000, 10_000, 20_000] {
            let mut sim = Sim::new(seed, good_line(), START);
            sim.held_up = (1_500_000, step);
            sim.run(1.5);
            low.add(f64::from(u8::from(sim.estimator.was_limit())));
            sim.run(10.0);
            let found_at = sim.first(1.5, |sample| sample.estimate >= 1.9e6);
            found.add(found_at.map_or(f64::MAX, |at| at - 1.5));
        }
    }
    println!("held up for 1.5 s: taken for narrow {low}, found after it in s {found}");
    assert!(low.most == 0.0);
    assert!(found.most <= 2.0);
}

#[test]
fn an_estimator_is_small() {
    let size = std::mem::size_of::<super::Estimator>();
    println!("{size} bytes");
    assert!(size < 8_000);
}
