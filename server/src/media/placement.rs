//! Which worker a new peer goes to: the one with the least to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::counters::WorkerCounters;

/// What a peer is taken to cost until it was measured, in thousandths of a core: a core feeds about a thousand viewers.
/// Loads are measured once a second, and everybody who joins in between must not go to the same worker.
const ASSUMED_PERMILLE: u64 = 1;

/// Loads that differ by less are equal, in thousandths, and the number of peers decides: the load of a worker with
/// little to do says more about the rest of the machine than about its peers.
const STEP_PERMILLE: u64 = 100;

/// What is known of one worker.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    /// Share of the last second that it was busy, in thousandths.
    load_permille: u64,
    /// Peers that were there when the load was measured.
    measured: u64,
    /// Peers that are there now.
    peers: u64,
    /// Peers that are on their way.
    expected: u64,
}

impl Standing {
    fn total(self) -> u64 {
        self.peers + self.expected
    }

    fn load(self) -> u64 {
        let newcomers = self.total().saturating_sub(self.measured);
        self.load_permille + newcomers * ASSUMED_PERMILLE
    }
}

/// The number of the worker with the least to do; among equals the one with the fewest peers, then the first.
fn least_loaded(workers: impl Iterator<Item = Standing>) -> usize {
    let ranked = workers.enumerate();
    let least = ranked.min_by_key(|(index, standing)| (standing.load() / STEP_PERMILLE, standing.total(), *index));
    least.map_or(0, |(index, _)| index)
}

/// The workers, as new peers are placed on them.
#[derive(Debug)]
pub(super) struct Placement {
    workers: Vec<(Arc<WorkerCounters>, AtomicU64)>,
}

/// A peer's place at a worker. Dropped when the worker has made the peer, or will not.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) worker: usize,
    expected: &'a AtomicU64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.expected.fetch_sub(1, Relaxed);
    }
}

impl Placement {
    pub(super) fn new(counters: &[Arc<WorkerCounters>]) -> Self {
        Self {
            workers: counters.iter().map(|c| (c.clone(), AtomicU64::new(0))).collect(),
        }
    }

    /// Chooses a worker. Two that ask in the same instant may get the same one, which harms nobody.
    pub(super) fn choose(&self) -> Option<Place<'_>> {
        let standings = self.workers.iter().map(|(counters, expected)| Standing {
            load_permille: counters.load_permille.load(Relaxed),
            measured: counters.peers_measured.load(Relaxed),
            peers: counters.peers.load(Relaxed),
            expected: expected.load(Relaxed),
        });
        let worker = least_loaded(standings);
        let (_, expected) = self.workers.get(worker)?;
        expected.fetch_add(1, Relaxed);
        Some(Place { worker, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(peers: u64) -> Standing {
        Standing {
            peers,
            measured: peers,
            ..Standing::default()
        }
    }

    fn busy(load_permille: u64, peers: u64) -> Standing {
        Standing {
            load_permille,
            ..idle(peers)
        }
    }

    fn choose(workers: &[Standing]) -> usize {
        least_loaded(workers.iter().copied())
    }

    #[test]
    fn the_worker_with_less_to_do_is_chosen_however_many_peers_it_has() {
        assert_eq!(choose(&[busy(700, 3), busy(200, 500)]), 1);
        assert_eq!(choose(&[busy(200, 500), busy(700, 3)]), 0);
    }

    #[test]
    fn where_loads_are_much_the_same_the_fewest_peers_decide() {
        assert_eq!(choose(&[busy(30, 8), busy(90, 2)]), 1);
        assert_eq!(choose(&[idle(1), idle(1), idle(0)]), 2);
        assert_eq!(choose(&[idle(0), idle(0)]), 0);
    }

    #[test]
    fn those_who_join_between_two_measurements_do_not_all_go_to_one_worker() {
        let mut workers = [busy(400, 300), busy(100, 50)];
        for _ in 0..2_000 {
            workers[choose(&workers)].expected += 1;
        }
        let loads = workers.map(Standing::load);
        assert!(loads[0].abs_diff(loads[1]) <= STEP_PERMILLE, "{loads:?}");
    }

    #[test]
    fn a_place_counts_until_it_is_taken() {
        let counters: Vec<_> = (0..2).map(|_| Arc::new(WorkerCounters::default())).collect();
        let placement = Placement::new(&counters);
        let (first, second) = (placement.choose().expect("one"), placement.choose().expect("one"));
        assert_eq!((first.worker, second.worker), (0, 1));
        drop(second);
        assert_eq!(placement.choose().expect("one").worker, 1);
        counters[0].peers.store(0, Relaxed);
        counters[1].peers.store(7, Relaxed);
        drop(first);
        assert_eq!(placement.choose().expect("one").worker, 0);
    }
}
