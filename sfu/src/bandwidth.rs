//! What is known of a viewer's line, and what that leaves for each of its slots.

use std::time::{Duration, Instant};

use crate::allocate::{Budget, Demand, HEADROOM, allocate, cost, order};
use crate::limit::{LEAST, Room};
use crate::lowest::Lowest;

/// What is assumed of a line before it was measured, in bits per second: enough for the middle one of three layers, and
/// little enough that the first second harms no line that carries video at all.
pub(crate) const FIRST_ESTIMATE: u64 = 1_000_000;

/// What a line is thought to carry at the least: an estimate that falls below that falls for loss, and the worst layer of
/// one picture, with sound, is better than none.
const LEAST_ESTIMATE: u64 = 250_000;

/// How long an estimate must stay below what is sent before less is sent. Far below, it need not.
const LOW_FOR: Duration = Duration::from_millis(1_500);

/// Far below, as a ratio of what is sent.
pub(crate) const FAR_BELOW: (u64, u64) = (7, 10);

/// How long it must stay low before a picture is left out, and even then only where it is far below: a frozen one is the
/// worst of all.
const LEFT_OUT_AFTER: Duration = Duration::from_secs(2);

/// The same where its publisher was told to send less: until it does, and until that is measured and a keyframe has come
/// through.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(6);

/// How long after a fall nothing rises; and at the most, where it has turned out each time to be too early.
const LEAST_HOLD: Duration = Duration::from_secs(2);
const LONGEST_HOLD: Duration = Duration::from_secs(30);

/// A rise that was followed by a fall within this time was too early.
const TOO_EARLY: Duration = Duration::from_secs(10);

/// What is desired for tiles that are small or out of sight now, at the most, and for any picture, at the least: they may
/// grow, and one that stands still may move.
const DESIRED_IN_RESERVE: u64 = 4_000_000;
const LEAST_DESIRED: u64 = 1_000_000;

/// Headers and retransmissions, as a part of a picture's payload, and bits per second of a sound's.
const PICTURE_OVERHEAD: u64 = 20;
pub(crate) const SOUND_OVERHEAD: u64 = 16_000;

/// What a picture takes whose payload takes `rate`, in bits per second.
pub(crate) fn with_overhead(rate: u64) -> u64 {
    rate + rate / PICTURE_OVERHEAD
}

/// What a viewer wants of one of its slots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// Of the tile that shows it, in device pixels. 0: it is out of sight, and gets nothing. `None`: the best there is.
    pub height: Option<u32>,
    /// Where there is not room for all, more goes first among the same: screens, whoever speaks, the rest.
    pub priority: u8,
}

/// What is known of one viewer's line.
#[derive(Debug)]
pub(crate) struct Bandwidth {
    /// `None`: nobody measures it, and the viewer gets all.
    estimate: Option<u64>,
    lowest: Lowest,
    /// Whether the estimate is more than an assumption.
    is_measured: bool,
    /// Whether the line was ever seen to carry no more than it was given. Until then the estimate is what was tried.
    was_limit: bool,
    /// Since when the estimate has been below what is sent.
    low_since: Option<Instant>,
    /// It is so far below that every packet more makes it worse.
    is_far_below: bool,
    held_until: Option<Instant>,
    hold: Duration,
    risen_at: Option<Instant>,
    /// When to look again.
    look_at: Option<Instant>,
    /// What the estimator was last told to be desired.
    told: u64,
    /// [`LEAST_DESIRED`], where it gets pictures.
    least_desired: u64,
    /// What the best of all that is wanted takes, with the headroom that a rise to it asks for.
    best: u64,
    /// What is left of what the line carries, in bits per second; less than nothing where it is too little.
    left: i64,
}

impl Default for Bandwidth {
    fn default() -> Self {
        Self {
            estimate: None,
            lowest: Lowest::default(),
            is_measured: false,
            was_limit: false,
            low_since: None,
            is_far_below: false,
            held_until: None,
            hold: LEAST_HOLD,
            risen_at: None,
            look_at: None,
            told: 0,
            least_desired: 0,
            best: 0,
            left: 0,
        }
    }
}

impl Bandwidth {
    /// Of a line, which is measured or not.
    pub(crate) fn new(is_estimated: bool) -> Self {
        Self {
            estimate: is_estimated.then_some(FIRST_ESTIMATE),
            ..Self::default()
        }
    }

    pub(crate) fn estimate(&self) -> Option<u64> {
        self.estimate
    }

    /// Takes in what the line is thought to carry, in bits per second, and whether it was ever seen to carry no more than it
    /// was given.
    pub(crate) fn observe(&mut self, estimate: u64, was_limit: bool) {
        self.is_measured |= estimate != FIRST_ESTIMATE;
        self.was_limit = was_limit;
        self.estimate = Some(estimate);
    }

    /// When to look again, where nothing happens before.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Whether so much less fits than is sent that every packet more makes it worse.
    pub(crate) fn is_far_below(&self) -> bool {
        self.is_far_below
    }

    fn is_held(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| now < until)
    }

    /// Which of its layers each demand gets, beside `sound` bits per second.
    pub(crate) fn share(&mut self, demands: &[Demand], sound: u64, now: Instant) -> Vec<Option<usize>> {
        let best: Vec<_> = demands.iter().map(|demand| demand.rates.len().checked_sub(1)).collect();
        self.best = sound + cost(demands, &best);
        self.least_desired = if demands.is_empty() { 0 } else { LEAST_DESIRED };
        self.look_at = None;
        let Some(estimate) = self.estimate else {
            return best;
        };
        let now_shown: Vec<_> = demands.iter().map(|demand| demand.current).collect();
        // What is new is given a try: what it takes is only assumed yet.
        let is_tried = |demand: &Demand| demand.current.is_some() || !demand.is_left_out;
        let tried = demands.iter().filter(|demand| is_tried(demand)).map(|demand| {
            let level = demand.current.unwrap_or(0);
            demand.rates.get(level).copied().unwrap_or(0)
        });
        let needed = sound + tried.sum::<u64>();
        let mut budget = estimate.max(LEAST_ESTIMATE);
        if !self.was_limit {
            let worst = demands.iter().filter_map(|demand| demand.rates.first());
            budget = budget.max(sound + worst.sum::<u64>());
        }
        let mut low_for = Duration::ZERO;
        if budget < needed {
            low_for = now.saturating_duration_since(*self.low_since.get_or_insert(now));
            let (part, of) = FAR_BELOW;
            self.is_far_below = budget * of < needed * part;
            if low_for < LOW_FOR && !self.is_far_below {
                budget = needed;
                self.look_at = self.low_since.map(|since| since + LOW_FOR);
            }
        } else {
            self.low_since = None;
            self.is_far_below = false;
        }
        // Of an assumption it means nothing that it does not waver.
        let steady = if self.is_measured {
            self.lowest.note(estimate, now)
        } else {
            None
        };
        let shared = Budget {
            room: budget.saturating_sub(sound),
            steady: steady.map_or(0, |steady| steady.saturating_sub(sound)),
            is_held: self.is_held(now),
        };
        let mut chosen = allocate(shared, demands);
        let rises = |chosen: &[Option<usize>]| {
            let mut moves = demands.iter().zip(chosen);
            let is_new = |demand: &Demand| demand.current.is_none() && !demand.is_left_out;
            moves.any(|(demand, after)| *after > demand.current && !is_new(demand))
        };
        for (demand, level) in demands.iter().zip(&mut chosen) {
            let patience = if self.is_far_below && !demand.yields {
                LEFT_OUT_AFTER
            } else {
                GIVEN_UP_AFTER
            };
            let is_alone = demands.len() == 1;
            let is_kept = low_for < patience || is_alone && !self.is_far_below;
            if is_kept && level.is_none() && is_tried(demand) {
                *level = Some(0);
                let at = self.low_since.map(|since| since + patience);
                self.look_at = self.look_at.or(at.filter(|at| *at > now));
            }
        }
        let moves = || now_shown.iter().zip(&chosen);
        if moves().any(|(before, after)| after < before) {
            let was_too_early = self
                .risen_at
                .is_some_and(|at| now.saturating_duration_since(at) < TOO_EARLY);
            self.hold = if was_too_early {
                (self.hold * 2).min(LONGEST_HOLD)
            } else {
                LEAST_HOLD
            };
            self.held_until = Some(now + self.hold);
        }
        if rises(&chosen) {
            self.risen_at = Some(now);
        }
        if chosen != best {
            // An estimate that is enough for the best but not for the rise to it would be neither used nor probed.
            let (times, of) = HEADROOM;
            self.best = sound + cost(demands, &best) * times / of;
        }
        let signed = |bits: u64| i64::try_from(bits).unwrap_or(i64::MAX);
        self.left = signed(estimate).saturating_sub(signed(sound + cost(demands, &chosen)));
        chosen
    }

    /// What there is room for, of each picture: `taken` is what it gets, and more than that `wanted` might come of it.
    ///
    /// What is too much is given up by those that come last, as far as their publishers can be told to send less; what is left
    /// goes to those that come first, as far as they want it; and those of one rank share it evenly. For one that yields and was
    /// left out all the same, room is kept.
    pub(crate) fn rooms(&self, demands: &[Demand], taken: &[u64], wanted: &[u64]) -> Vec<Room> {
        let mut balance = match self.estimate {
            None => return vec![Room::ENDLESS; demands.len()],
            Some(_) if !self.is_measured => return vec![Room::Unknown; demands.len()],
            Some(_) => self.left,
        };
        let mut taken = taken.to_vec();
        for (taken, demand) in taken.iter_mut().zip(demands) {
            if *taken == 0 && demand.yields {
                *taken = demand.rates.first().copied().unwrap_or(0);
                balance = balance.saturating_sub_unsigned(*taken);
            }
        }
        // Nothing shows that less is to be sent, where it was only tried.
        let can_yield = |demand: &Demand| self.was_limit && demand.is_single;
        let kept = |(demand, taken): (&Demand, &u64)| if can_yield(demand) { LEAST.min(*taken) } else { *taken };
        let mut rooms: Vec<_> = demands.iter().zip(&taken).map(kept).collect();
        let given_up = taken.iter().sum::<u64>() - rooms.iter().sum::<u64>();
        let mut left = balance.saturating_add_unsigned(given_up).max(0).unsigned_abs();
        let order = order(demands);
        for rank in order.chunk_by(|a, b| demands[*a].rank() == demands[*b].rank()) {
            let most = |at: usize| taken[at].max(wanted[at]);
            left -= level(&mut rooms, rank, most, left);
        }
        let each = taken.iter().zip(wanted).zip(rooms);
        each.map(|((taken, wanted), room)| {
            // By how much it is enough need not be known, so that it need not be told either.
            let is_ample = taken.saturating_add_signed(balance) / 2 >= *taken.max(wanted);
            if is_ample {
                Room::ENDLESS
            } else {
                Room::Measured(room + left)
            }
        })
        .collect()
    }

    /// What the estimator is to take for desired, in bits per second, if that is news, where all that could be shown would
    /// take `all`.
    pub(crate) fn desire(&mut self, all: u64) -> Option<u64> {
        // Where no picture is in sight, nothing is probed for.
        let desired = match self.least_desired {
            0 => self.best,
            least => self.best.max(all.min(DESIRED_IN_RESERVE)).max(least),
        };
        let is_news = desired.abs_diff(self.told) > self.told / 8;
        if is_news {
            self.told = desired;
        }
        is_news.then_some(desired)
    }
}

/// Raises those of `rooms` that `rank` names to one level, as far as `left` goes and none over its `most`. What that took.
fn level(rooms: &mut [u64], rank: &[usize], most: impl Fn(usize) -> u64, mut left: u64) -> u64 {
    let before = left;
    loop {
        let open: Vec<_> = rank.iter().copied().filter(|at| rooms[*at] < most(*at)).collect();
        let Some(lowest) = open.iter().map(|at| rooms[*at]).min() else {
            break;
        };
        let (low, higher): (Vec<_>, Vec<_>) = open.into_iter().partition(|at| rooms[*at] == lowest);
        // Up to where the next one is, or the first of them has enough.
        let next = higher.iter().map(|at| rooms[*at]);
        let ceiling = next.chain(low.iter().map(|at| most(*at))).min().unwrap_or(lowest);
        let each = (ceiling - lowest).min(left / low.len() as u64);
        if each == 0 {
            break;
        }
        for at in &low {
            rooms[*at] += each;
        }
        left -= each * low.len() as u64;
    }
    before - left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocate::Class;

    fn demand(current: Option<usize>) -> Demand {
        Demand {
            class: Class::Other,
            priority: 0,
            rates: vec![150_000, 500_000, 1_700_000],
            current,
            is_left_out: false,
            is_single: false,
            yields: false,
        }
    }

    /// A line that shows one track, at an estimate; what it gets, second by second.
    fn run(line: &mut Bandwidth, current: &mut Option<usize>, start: Instant, estimates: &[u64]) -> Vec<Option<usize>> {
        let mut levels = Vec::new();
        for (second, estimate) in estimates.iter().enumerate() {
            let now = start + Duration::from_secs(second as u64);
            line.observe(*estimate, true);
            *current = line.share(&[demand(*current)], 40_000, now)[0];
            levels.push(*current);
        }
        levels
    }

    #[test]
    fn a_line_that_nobody_measures_gets_all() {
        let mut line = Bandwidth::default();
        assert_eq!(line.share(&[demand(None)], 40_000, Instant::now()), [Some(2)]);
    }

    #[test]
    fn a_fall_is_quick_where_it_is_deep_and_a_rise_waits() {
        let start = Instant::now();
        let (mut line, mut current) = (Bandwidth::default(), None);
        let levels = run(
            &mut line,
            &mut current,
            start,
            &[5_000_000, 300_000, 5_000_000, 5_000_000, 5_000_000],
        );
        assert_eq!(levels, [Some(2), Some(0), Some(0), Some(2), Some(2)]);
    }

    #[test]
    fn a_short_dip_changes_nothing_and_a_longer_one_does() {
        let start = Instant::now();
        let mut line = Bandwidth::default();
        line.observe(5_000_000, true);
        assert_eq!(line.share(&[demand(None)], 0, start), [Some(2)]);
        line.observe(1_500_000, true);
        assert_eq!(line.share(&[demand(Some(2))], 0, start), [Some(2)]);
        assert_eq!(line.share(&[demand(Some(2))], 0, start + LOW_FOR / 2), [Some(2)]);
        assert_eq!(line.share(&[demand(Some(2))], 0, start + LOW_FOR), [Some(1)]);
    }

    #[test]
    fn each_rise_that_was_too_early_makes_the_next_one_wait_longer() {
        let start = Instant::now();
        let mut line = Bandwidth::default();
        let (mut current, mut now) = (None, start);
        let mut rises = Vec::new();
        // The estimate falls whenever the best layer is sent.
        while now < start + Duration::from_mins(2) {
            line.observe(if current == Some(2) { 600_000 } else { 5_000_000 }, true);
            let after = line.share(&[demand(current)], 0, now)[0];
            if after > current {
                rises.push(now);
            }
            current = after;
            now += Duration::from_millis(500);
        }
        let pauses: Vec<_> = rises.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
        assert!(pauses.last().is_some_and(|last| *last >= 16), "{pauses:?}");
    }

    #[test]
    fn as_long_as_the_best_does_not_fit_so_much_is_desired_that_it_will() {
        let sound = 40_000;
        let best = *demand(None).rates.last().expect("three layers");
        let now = Instant::now();
        for estimate in (500_000..3_000_000).step_by(50_000) {
            let mut line = Bandwidth::default();
            line.observe(estimate, true);
            let chosen = line.share(&[demand(Some(1))], sound, now)[0];
            let desired = line.desire(0).expect("news");
            if chosen == Some(2) {
                assert_eq!(desired, sound + best);
            } else {
                line.observe(desired, true);
                assert_eq!(line.share(&[demand(Some(1))], sound, now), [Some(2)], "{estimate}");
            }
        }
    }

    #[test]
    fn what_was_only_tried_is_no_limit() {
        let start = Instant::now();
        let mut line = Bandwidth::default();
        let one = [Demand {
            rates: vec![1_700_000],
            is_single: true,
            ..demand(Some(0))
        }];
        for (was_limit, shown, room) in [(false, Some(0), 1_700_000), (true, None, 1_060_000)] {
            line.observe(1_100_000, was_limit);
            line.share(&one, 40_000, start);
            assert_eq!(line.share(&one, 40_000, start + 2 * LEFT_OUT_AFTER), [shown]);
            let taken = shown.map_or(0, |_| 1_700_000);
            assert_eq!(line.rooms(&one, &[taken], &[1_700_000]), [Room::Measured(room)]);
        }
    }

    #[test]
    fn what_is_too_much_is_given_up_by_the_last_and_what_is_left_goes_to_the_first() {
        let now = Instant::now();
        let of = |class: Class, rate: u64| Demand {
            class,
            rates: vec![rate],
            is_single: true,
            ..demand(Some(0))
        };
        let rates = [1_500_000, 1_000_000, 1_500_000];
        let classes = [Class::Other, Class::Screen, Class::Speaker];
        let demands: Vec<_> = classes
            .into_iter()
            .zip(rates)
            .map(|(class, rate)| of(class, rate))
            .collect();
        let mut line = Bandwidth::default();
        line.observe(2_300_000, true);
        line.share(&demands, 40_000, now);
        let rooms = line.rooms(&demands, &rates, &[0; 3]);
        assert_eq!(rooms, [LEAST, 1_000_000, 1_160_000].map(Room::Measured));

        let limited = [100_000, 1_000_000, 1_000_000];
        let demands: Vec<_> = classes
            .into_iter()
            .zip(limited)
            .map(|(class, rate)| of(class, rate))
            .collect();
        line.observe(2_540_000, true);
        line.share(&demands, 40_000, now);
        let rooms = line.rooms(&demands, &limited, &[1_500_000, 0, 1_300_000]);
        assert_eq!(rooms, [200_000, 1_000_000, 1_300_000].map(Room::Measured));

        // The last is left out for the moment: its room is kept.
        let mut demands = demands;
        demands[0].current = None;
        demands[0].yields = true;
        demands[0].is_left_out = true;
        line.observe(2_100_000, true);
        assert_eq!(line.share(&demands, 40_000, now)[0], None);
        let rooms = line.rooms(&demands, &[0, 1_000_000, 1_000_000], &[1_500_000, 0, 1_300_000]);
        assert_eq!(rooms, [100_000, 1_000_000, 960_000].map(Room::Measured));
    }

    #[test]
    fn those_of_one_rank_share_evenly() {
        for (rates, wanted, rooms) in [
            ([1_500_000; 3], [0; 3], [400_000; 3]),
            ([400_000; 3], [1_500_000; 3], [400_000; 3]),
            ([900_000, 200_000, 100_000], [1_500_000; 3], [400_000; 3]),
            ([200_000, 900_000, 900_000], [0; 3], [200_000, 500_000, 500_000]),
            (
                [50_000, 100_000, 1_500_000],
                [50_000, 120_000, 0],
                [50_000, 120_000, 1_030_000],
            ),
        ] {
            let demand = |rate: u64| Demand {
                rates: vec![rate],
                is_single: true,
                yields: true,
                ..demand(Some(0))
            };
            let demands = rates.map(demand);
            let mut line = Bandwidth::default();
            line.observe(1_240_000, true);
            line.share(&demands, 40_000, Instant::now());
            assert_eq!(
                line.rooms(&demands, &rates, &wanted),
                rooms.map(Room::Measured),
                "{rates:?}"
            );
        }
    }

    #[test]
    fn a_picture_is_left_out_only_after_a_while() {
        let start = Instant::now();
        let mut line = Bandwidth::default();
        line.observe(100_000, true);
        let one = Demand {
            rates: vec![1_500_000],
            ..demand(Some(0))
        };
        let mut at = |millis: u64| {
            line.share(
                std::slice::from_ref(&one),
                40_000,
                start + Duration::from_millis(millis),
            )
        };
        assert_eq!(at(0), [Some(0)]);
        assert_eq!(at(1_900), [Some(0)]);
        assert_eq!(at(2_100), [None]);
    }
}
