//! What each slot of a viewer gets of what its line carries: a pure decision.
//!
//! First something for everybody, in the order of rank; then, one class after the other, the better layers.

use std::cmp::Reverse;

/// More room than a better layer takes that is asked for before it is taken, as a ratio. An estimate that wavers by a
/// tenth to both sides must not make a layer come and go: 1.1 / 0.9 is 1.22.
pub(crate) const HEADROOM: (u64, u64) = (5, 4);

/// The same of an estimate that has been no less for a while: that it does not waver is known.
const STEADY_HEADROOM: (u64, u64) = (11, 10);

/// Bits per second that are shared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) room: u64,
    /// What it has been at the least for a while; 0: that is not known.
    pub(crate) steady: u64,
    /// Nothing gets more than now.
    pub(crate) is_held: bool,
}

impl Budget {
    /// What all may take together after something has risen.
    fn for_rises(self) -> u64 {
        if self.is_held {
            return 0;
        }
        let part = |room: u64, (times, of): (u64, u64)| room.saturating_mul(of) / times;
        let steady = part(self.steady.min(self.room), STEADY_HEADROOM);
        steady.max(part(self.room, HEADROOM))
    }
}

/// What goes before what. Sound is not among them: it is never left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Screen,
    Speaker,
    Other,
}

/// What one slot could get.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    pub(crate) class: Class,
    /// As the viewer says. Within a class, more goes first.
    pub(crate) priority: u8,
    /// Bits per second of each layer that is of use, the worst first.
    pub(crate) rates: Vec<u64>,
    /// Which of them it gets now.
    pub(crate) current: Option<usize>,
    /// It was left out for want of room: it comes back with headroom only.
    pub(crate) is_left_out: bool,
    /// There are no layers to choose from: what would be too much, its publisher can be told to leave.
    pub(crate) is_single: bool,
    /// Its publisher was told to send no more than there is room for.
    pub(crate) yields: bool,
}

impl Demand {
    /// Among those of one rank all are alike.
    pub(crate) fn rank(&self) -> (Class, Reverse<u8>) {
        (self.class, Reverse(self.priority))
    }
}

/// Whose turn it is where there is not room for all, by their places.
pub(crate) fn order(demands: &[Demand]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..demands.len()).collect();
    order.sort_by_key(|at| (demands[*at].rank(), *at));
    order
}

/// Shares a budget. Which of its layers each demand gets; `None` where there is no room for the worst of them.
pub(crate) fn allocate(budget: Budget, demands: &[Demand]) -> Vec<Option<usize>> {
    let order = order(demands);
    let mut chosen: Vec<Option<usize>> = vec![None; demands.len()];
    let mut spent: u64 = 0;
    let for_rises = budget.for_rises();
    let fits = |total: u64, is_rise: bool| total <= if is_rise { for_rises } else { budget.room };
    for at in &order {
        let Some(worst) = demands[*at].rates.first() else {
            continue;
        };
        let total = spent.saturating_add(*worst);
        if fits(total, demands[*at].is_left_out) {
            chosen[*at] = Some(0);
            spent = total;
        }
    }
    for class in order.chunk_by(|a, b| demands[*a].class == demands[*b].class) {
        let mut has_risen = true;
        while std::mem::take(&mut has_risen) {
            for at in class {
                let (demand, Some(level)) = (&demands[*at], chosen[*at]) else {
                    continue;
                };
                let Some(better) = demand.rates.get(level + 1) else {
                    continue;
                };
                let total = spent.saturating_sub(demand.rates[level]).saturating_add(*better);
                if fits(total, demand.current.is_none_or(|current| level >= current)) {
                    chosen[*at] = Some(level + 1);
                    spent = total;
                    has_risen = true;
                }
            }
        }
    }
    chosen
}

/// What `chosen` takes, in bits per second.
pub(crate) fn cost(demands: &[Demand], chosen: &[Option<usize>]) -> u64 {
    let each = demands.iter().zip(chosen);
    each.filter_map(|(demand, level)| demand.rates.get((*level)?)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn demand(class: Class, rates: &[u64]) -> Demand {
        Demand {
            class,
            priority: 0,
            rates: rates.to_vec(),
            current: None,
            is_left_out: false,
            is_single: false,
            yields: false,
        }
    }

    fn wavering(room: u64) -> Budget {
        Budget {
            room,
            steady: 0,
            is_held: false,
        }
    }

    fn held(room: u64) -> Budget {
        Budget {
            is_held: true,
            ..wavering(room)
        }
    }

    const THREE: [u64; 3] = [150, 500, 1_700];

    #[test]
    fn a_screen_goes_before_the_speaker_and_the_speaker_before_the_rest() {
        let demands = [
            demand(Class::Other, &THREE),
            demand(Class::Speaker, &THREE),
            demand(Class::Screen, &THREE),
        ];
        for (budget, expected) in [
            (100, [None, None, None]),
            (150, [None, None, Some(0)]),
            (300, [None, Some(0), Some(0)]),
            (450, [Some(0), Some(0), Some(0)]),
            (1_000, [Some(0), Some(0), Some(1)]),
            (2_500, [Some(0), Some(0), Some(2)]),
            (3_000, [Some(0), Some(1), Some(2)]),
            (10_000, [Some(2), Some(2), Some(2)]),
        ] {
            assert_eq!(allocate(wavering(budget), &demands), expected, "{budget}");
        }
    }

    #[test]
    fn a_priority_goes_first_within_its_class() {
        let first = Demand {
            priority: 1,
            ..demand(Class::Other, &THREE)
        };
        let demands = [demand(Class::Other, &THREE), first];
        assert_eq!(allocate(wavering(200), &demands), [None, Some(0)]);
        assert_eq!(allocate(wavering(900), &demands), [Some(0), Some(1)]);
    }

    #[test]
    fn what_is_held_stays_or_falls() {
        let current = Demand {
            current: Some(1),
            ..demand(Class::Other, &THREE)
        };
        assert_eq!(allocate(held(10_000), std::slice::from_ref(&current)), [Some(1)]);
        assert_eq!(allocate(held(400), std::slice::from_ref(&current)), [Some(0)]);
        let left_out = Demand {
            is_left_out: true,
            ..demand(Class::Other, &THREE)
        };
        assert_eq!(allocate(held(10_000), std::slice::from_ref(&left_out)), [None]);
        assert_eq!(allocate(wavering(160), std::slice::from_ref(&left_out)), [None]);
        assert_eq!(allocate(wavering(190), std::slice::from_ref(&left_out)), [Some(0)]);
    }

    #[test]
    fn what_is_steady_needs_less_headroom() {
        let current = [Demand {
            current: Some(1),
            ..demand(Class::Other, &THREE)
        }];
        for (room, steady, expected) in [
            (1_900, 0, 1),
            (1_900, 1_860, 1),
            (1_900, 1_870, 2),
            (2_125, 0, 2),
            (2_125, 600, 2),
            (1_600, 5_000, 1),
        ] {
            let budget = Budget {
                steady,
                ..wavering(room)
            };
            assert_eq!(allocate(budget, &current), [Some(expected)], "{room} {steady}");
        }
    }

    fn demands() -> impl Strategy<Value = Vec<Demand>> {
        let class = prop_oneof![Just(Class::Screen), Just(Class::Speaker), Just(Class::Other)];
        let one = (class, 0_u8..3, vec(20_000_u64..3_000_000, 1..4)).prop_map(|(class, priority, mut rates)| {
            rates.sort_unstable();
            Demand {
                priority,
                ..demand(class, &rates)
            }
        });
        vec(one, 1..8)
    }

    fn settle(demands: &mut [Demand], chosen: &[Option<usize>]) {
        for (demand, level) in demands.iter_mut().zip(chosen) {
            demand.current = *level;
            demand.is_left_out = level.is_none();
        }
    }

    proptest! {
        #[test]
        fn it_is_never_more_than_there_is(
            mut demands in demands(), budgets in vec(0_u64..20_000_000, 1..10), is_held in any::<bool>()
        ) {
            for budget in budgets {
                let chosen = allocate(Budget { is_held, ..wavering(budget) }, &demands);
                prop_assert!(cost(&demands, &chosen) <= budget);
                settle(&mut demands, &chosen);
            }
        }

        /// Where even the worst layers of all do not fit, nobody gets a better one in place of somebody else's worst;
        /// and a class gets what it would get if those below it wanted no more than their worst.
        #[test]
        fn what_goes_first_is_not_made_to_wait(demands in demands(), budget in 0_u64..20_000_000) {
            let chosen = allocate(wavering(budget), &demands);
            for class in [Class::Screen, Class::Speaker] {
                let modest: Vec<_> = demands
                    .iter()
                    .map(|demand| Demand {
                        rates: if demand.class > class { demand.rates[..1].to_vec() } else { demand.rates.clone() },
                        ..demand.clone()
                    })
                    .collect();
                let expected = allocate(wavering(budget), &modest);
                for (at, demand) in demands.iter().enumerate().filter(|(_, demand)| demand.class <= class) {
                    prop_assert_eq!(chosen[at], expected[at], "{:?}", demand);
                }
            }
            let least: u64 = demands.iter().map(|demand| demand.rates[0]).sum();
            if least <= budget {
                prop_assert!(chosen.iter().all(Option::is_some));
            }
        }

        /// An estimate that wavers by a tenth around anything comes to rest.
        #[test]
        fn nothing_flaps(mut demands in demands(), middle in 50_000_u64..20_000_000, wavers in vec(900_u64..=1_100, 60)) {
            let mut moved_at = 0;
            for round in 0..20 {
                for (at, permille) in [1_100, 900].iter().chain(&wavers).enumerate() {
                    let chosen = allocate(wavering(middle * permille / 1_000), &demands);
                    let has_moved = demands.iter().zip(&chosen).any(|(demand, level)| demand.current != *level);
                    if has_moved && (round, at) != (0, 0) {
                        moved_at = round;
                    }
                    settle(&mut demands, &chosen);
                }
            }
            prop_assert!(moved_at < 16, "still moving in round {moved_at}");
        }
    }
}
