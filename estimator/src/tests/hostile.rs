//! Reports that no honest receiver gives.

use std::time::{Duration, Instant};

use super::super::{Estimator, Report};
use super::sim::Random;

/// An arrival from the plausible to the absurd.
fn arrival(random: &mut Random, step: u64) -> Option<Duration> {
    match random.next() % 8 {
        0 => None,
        1 => Some(Duration::MAX),
        2 => Some(Duration::ZERO),
        3 => Some(Duration::from_micros(random.next())),
        4 => Some(Duration::from_millis((step * 20).saturating_sub(random.next() % 5_000))),
        _ => Some(Duration::from_millis(step * 20)),
    }
}

/// A time from the plausible to the absurd.
fn time(random: &mut Random, origin: Instant, step: u64) -> Instant {
    let usual = origin + Duration::from_millis(step * 20);
    match random.next() % 8 {
        0 => usual
            .checked_sub(Duration::from_millis(random.next() % 3_000))
            .unwrap_or(usual),
        1 => usual + Duration::from_secs(random.next() % 100_000),
        2 => origin,
        _ => usual,
    }
}

fn hurt(seed: u64) {
    let mut random = Random(seed * 77 + 5);
    let origin = Instant::now() + Duration::from_secs(10_000);
    let mut estimator = Estimator::new(random.next(), origin);
    let mut id = None;
    let mut reports = Vec::new();
    for step in 0..2_000 {
        reports.clear();
        for _ in 0..random.next() % 20 {
            let bytes = [0, 1_200, u32::MAX, 100][(random.next() % 4) as usize];
            let probe = [id, None, Some(random.next() as u16)][(random.next() % 3) as usize];
            let sent_at = time(&mut random, origin, step);
            reports.push(Report {
                sent_at,
                bytes,
                arrived_at: arrival(&mut random, step),
                probe,
            });
        }
        let now = origin + Duration::from_millis((step * 20).saturating_sub(random.next() % 60));
        let round_trip = [None, Some(Duration::ZERO), Some(Duration::MAX)][(random.next() % 3) as usize];
        estimator.on_feedback(&reports, round_trip, now);
        estimator.on_sent([0, 1_200, u32::MAX][(random.next() % 3) as usize], now);
        estimator.set_desired([0, 1_740_000, u64::MAX][(random.next() % 3) as usize]);
        if let Some(probe) = estimator.poll_probe(now) {
            id = Some(probe.id);
        }
        let _ = estimator.next_probe_at();
        let estimate = estimator.estimate();
        assert!(
            (30_000..=100_000_000).contains(&estimate),
            "seed {seed}, step {step}: {estimate}"
        );
    }
}

#[test]
fn hostile_reports_do_no_harm() {
    for seed in 0..200 {
        hurt(seed);
    }
}
