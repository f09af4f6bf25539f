//! Which peer wants to be woken when, without looking at all of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::PeerId;
use crate::id::IdMap;

/// Deadlines of peers. A deadline that moves later leaves its old entry in the heap, which is corrected when it comes
/// up: peers' deadlines move with every packet, and nearly always later, so that most changes cost no more than a hash
/// lookup.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, PeerId)>>,
    /// The deadline that holds, and the earliest entry in the heap.
    deadlines: IdMap<PeerId, (Instant, Instant)>,
}

impl Timers {
    pub(crate) fn set(&mut self, peer: PeerId, deadline: Instant) {
        match self.deadlines.get_mut(&peer) {
            Some((holds, scheduled)) if *scheduled <= deadline => *holds = deadline,
            _ => {
                self.heap.push(Reverse((deadline, peer)));
                self.deadlines.insert(peer, (deadline, deadline));
            }
        }
    }

    pub(crate) fn remove(&mut self, peer: PeerId) {
        self.deadlines.remove(&peer);
    }

    /// When [`Self::pop_due`] may next have something. It may be early, never late.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// A peer whose deadline has come. It has no deadline any more until it is set again.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<PeerId> {
        while let Some(Reverse((at, peer))) = self.heap.peek().copied() {
            if at > now {
                return None;
            }
            self.heap.pop();
            match self.deadlines.get(&peer).copied() {
                // An older entry of this peer, or of one that is gone.
                Some((_, scheduled)) if scheduled != at => {}
                None => {}
                Some((deadline, _)) if deadline <= now => {
                    self.deadlines.remove(&peer);
                    return Some(peer);
                }
                Some((deadline, _)) => {
                    self.heap.push(Reverse((deadline, peer)));
                    self.deadlines.insert(peer, (deadline, deadline));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WorkerId;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::time::Duration;

    proptest! {
        /// Against the plain definition: exactly the peers whose deadline has come are popped, and `next` is never
        /// late.
        #[test]
        fn pops_what_is_due_and_nothing_else(
            steps in vec((0_u64..5, 0_u64..100, 0_u64..20, any::<bool>()), 1..200)
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut timers = Timers::default();
            let mut model: HashMap<PeerId, Instant> = HashMap::new();
            for (peer, delay, pause, remove) in steps {
                now += Duration::from_millis(pause);
                let peer = PeerId::new(WorkerId(0), peer);
                if remove {
                    timers.remove(peer);
                    model.remove(&peer);
                } else {
                    let deadline = now + Duration::from_millis(delay);
                    timers.set(peer, deadline);
                    model.insert(peer, deadline);
                }
                if let Some(earliest) = model.values().min() {
                    prop_assert!(timers.next().is_some_and(|next| next <= *earliest));
                }
                let mut popped: Vec<_> = std::iter::from_fn(|| timers.pop_due(now)).collect();
                popped.sort();
                let mut due: Vec<_> = model.iter().filter(|(_, at)| **at <= now).map(|(peer, _)| *peer).collect();
                due.sort();
                model.retain(|_, at| *at > now);
                prop_assert_eq!(popped, due);
            }
        }
    }
}
